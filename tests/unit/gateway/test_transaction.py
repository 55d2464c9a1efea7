"""Transaction blocks: the status byte, what a failed block admits, and when a write may run."""

import pytest

from catalog.errors import FeatureNotSupported, InFailedSqlTransaction, ReadOnlySqlTransaction
from gateway.transaction import Block


def test_status_follows_begin_failure_and_end() -> None:
    block = Block()
    assert block.status == b"I"
    block.begin(read_only=False)
    assert block.status == b"T"
    block.fail()
    assert block.status == b"E"
    block.end()
    assert block.status == b"I"


def test_a_failure_outside_a_block_leaves_the_session_idle() -> None:
    block = Block()
    block.fail()
    assert block.status == b"I"


def test_a_failed_block_admits_only_its_end() -> None:
    block = Block()
    block.begin(read_only=False)
    block.fail()
    with pytest.raises(InFailedSqlTransaction):
        block.admit(ends_block=False)
    block.admit(ends_block=True)
    assert block.status == b"E"


def test_writes_are_refused_in_blocks_and_before_other_statements() -> None:
    block = Block()
    with pytest.raises(FeatureNotSupported):
        block.admit_write("UPDATE", alone=False, read_only=False)
    block.admit_write("UPDATE", alone=True, read_only=False)
    with pytest.raises(FeatureNotSupported):
        block.admit_write("UPDATE", alone=True, read_only=False)
    block.end()
    block.begin(read_only=None)
    with pytest.raises(FeatureNotSupported):
        block.admit_write("UPDATE", alone=True, read_only=False)


def test_writes_are_refused_in_read_only_blocks() -> None:
    with pytest.raises(ReadOnlySqlTransaction, match=r"^cannot execute INSERT in a read-only transaction$"):
        Block().admit_write("INSERT 0", alone=True, read_only=True)
