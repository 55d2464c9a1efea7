"""Transaction blocks: the status byte, what a failed block admits, and when a write may run."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from catalog.commit import Origin
from catalog.errors import (
    ActiveSqlTransaction,
    FeatureNotSupported,
    InFailedSqlTransaction,
    InvalidSavepointSpecification,
    ProgramLimitExceeded,
    ReadOnlySqlTransaction,
)
from catalog.names import TableName
from gateway.draft import Draft
from gateway.scratch import Scratch
from gateway.transaction import MOST_SAVEPOINTS, Block
from gateway.variables import Mark
from planner.plan import Modes

NOTHING_SET = Mark({}, {})


def test_status_follows_begin_failure_and_end() -> None:
    block = Block()
    assert block.status == b"I"
    block.begin(Modes())
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
    block.begin(Modes())
    block.fail()
    with pytest.raises(InFailedSqlTransaction):
        block.admit(ends_block=False)
    block.admit(ends_block=True)
    assert block.status == b"E"


def test_what_commits_by_itself_is_refused_in_blocks_and_before_other_statements() -> None:
    block = Block()
    with pytest.raises(FeatureNotSupported):
        block.admit_alone(alone=False)
    block.admit_alone(alone=True)
    with pytest.raises(FeatureNotSupported):
        block.admit_write("UPDATE", read_only=False)
    block.end()
    block.admit_write("UPDATE", read_only=False)
    block.begin(Modes())
    with pytest.raises(FeatureNotSupported):
        block.admit_alone(alone=True)


async def test_an_implicit_block_that_fails_after_a_write_is_doomed(tmp_path: Path) -> None:
    """And no block after it: what was over when the failure came has nothing to lose."""
    block = Block()
    block.fail()
    assert not block.doomed
    origin = Origin(TableName("tpch", "region"), str(tmp_path), str(tmp_path), "", 0, strict=False)
    block.drafts[str(tmp_path)] = Draft(origin, Scratch(str(tmp_path / "b")), AsyncExitStack(), lambda location: None)
    block.fail()
    assert block.doomed
    block.end()
    assert not block.doomed


def test_writes_are_refused_in_read_only_blocks() -> None:
    with pytest.raises(ReadOnlySqlTransaction, match=r"^cannot execute INSERT in a read-only transaction$"):
        Block().admit_write("INSERT 0", read_only=True)


def block_with(*names: str) -> Block:
    block = Block()
    block.begin(Modes())
    for name in names:
        block.save(name, NOTHING_SET)
    return block


def test_of_two_savepoints_with_a_name_the_later_counts() -> None:
    block = block_with("a", "b", "a")
    assert block.find("a") == 2
    block.release(2)
    assert block.find("a") == 0
    block.release(0)
    with pytest.raises(InvalidSavepointSpecification, match=r'^savepoint "b" does not exist$'):
        block.find("b")


def test_going_back_revives_a_failed_block_and_keeps_the_savepoint() -> None:
    block = block_with("a", "b")
    block.fail()
    assert block.status == b"E"
    assert block.go_back(0).settings is NOTHING_SET
    assert block.status == b"T"
    assert [point.name for point in block.points] == ["a"]


def test_modes_go_back_too() -> None:
    block = block_with("a")
    block.modes = Modes(read_only=True)
    block.go_back(0)
    assert block.modes == Modes()


def test_savepoints_are_bounded() -> None:
    block = block_with(*["a"] * MOST_SAVEPOINTS)
    with pytest.raises(ProgramLimitExceeded):
        block.save("a", NOTHING_SET)


def test_the_end_of_a_block_ends_its_savepoints() -> None:
    block = block_with("a")
    block.end()
    assert block.depth == 0


def test_modes_are_set_before_the_first_query() -> None:
    block = block_with()
    block.admit_modes(Modes("serializable", read_only=False, deferrable=True))
    block.modes = Modes("read committed", read_only=True)
    block.pinned["/lake/region"] = 0
    for modes in (Modes("serializable"), Modes(read_only=False), Modes(deferrable=False)):
        with pytest.raises(ActiveSqlTransaction):
            block.admit_modes(modes)
    block.admit_modes(Modes("read committed", read_only=True))
