"""A block beside others: writers that wait, outside commits in between, isolation levels, cancels and timeouts."""

import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.blocks import open_blocks, rows, run_block, things
from tests.fix_replicas import Replicas
from tests.processes import until
from tests.target import Target

pytestmark = pytest.mark.spark

INSERT = "INSERT INTO written.things VALUES (4, 'four')"
UPDATE = "UPDATE written.things SET word = 'changed' WHERE n = 1"
KEPT = [(1, "one"), (2, "two"), (3, "three")]
OUTSIDE = pa.table({"n": pa.array([9], pa.int32()), "word": ["outside"]})


def commit_after(connection: psycopg.Connection, *statements: str, outside: Path, overwrite: bool = False) -> None:
    """A block with a commit of somebody else's before its own."""
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())
        write_deltalake(outside, OUTSIDE, mode="overwrite" if overwrite else "append")


def test_other_writers_wait_and_then_give_up(gateway: Target, table: Path) -> None:
    with gateway.connect() as first, gateway.connect() as second:
        second.execute("SET lock_timeout = '200ms'")
        with first.transaction():
            first.execute(INSERT.encode())
            for blocked in (lambda: second.execute(UPDATE.encode()), lambda: run_block(second, UPDATE)):
                with pytest.raises(psycopg.errors.LockNotAvailable, match="canceling statement due to lock timeout"):
                    blocked()
        second.execute("SET lock_timeout = 0")
        run_block(second, UPDATE)
        assert rows(first) == [(1, "changed"), *KEPT[1:], (4, "four")]


def test_a_table_that_is_written_keeps_its_name(gateway: Target, table: Path) -> None:
    rename = "ALTER TABLE written.things RENAME TO others"
    with gateway.connect() as first, gateway.connect() as second:
        second.execute("SET lock_timeout = '200ms'")
        with first.transaction():
            first.execute(INSERT.encode())
            for blocked in (lambda: second.execute(rename.encode()), lambda: run_block(second, rename)):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    blocked()
        run_block(second, rename, "ALTER TABLE written.others RENAME TO things")
        assert rows(second) == [*KEPT, (4, "four")]


def test_who_has_waited_writes_what_there_is_then(gateway: Target, table: Path) -> None:
    with gateway.connect() as first, gateway.connect() as second:
        waiting = threading.Thread(target=run_block, args=(second, "DELETE FROM written.things WHERE n > 2"))
        with first.transaction():
            first.execute(INSERT.encode())
            waiting.start()
            until(lambda: second.info.transaction_status.name == "ACTIVE")
        waiting.join()
        assert rows(first) == KEPT[:2]


def test_a_block_in_another_gateway_waits_too(replicas: Replicas) -> None:
    with things(replicas.first), replicas.first.connect() as first, replicas.second.connect() as second:
        second.execute("SET lock_timeout = '200ms'")
        with first.transaction():
            first.execute(INSERT.encode())
            with pytest.raises(psycopg.errors.LockNotAvailable):
                second.execute(UPDATE.encode())
            assert rows(second) == KEPT
        second.execute("SET lock_timeout = 0")
        second.execute(UPDATE.encode())
        assert rows(first) == [(1, "changed"), *KEPT[1:], (4, "four")]


@pytest.mark.parametrize("overwrite", [False, True])
def test_additions_go_behind_an_outside_commit(gateway: Target, table: Path, *, overwrite: bool) -> None:
    with gateway.connect() as connection:
        commit_after(connection, INSERT, outside=table, overwrite=overwrite)
        assert rows(connection) == [*([] if overwrite else KEPT), (4, "four"), (9, "outside")]


@pytest.mark.parametrize(
    "reads",
    [
        "INSERT INTO written.things SELECT n + 10, word FROM written.things WHERE n = 1",
        "MERGE INTO written.things t USING (VALUES (11, 'one')) s (n, word) ON t.n = s.n"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.n, s.word)",
    ],
)
def test_what_has_read_the_table_goes_behind_additions_alone(gateway: Target, table: Path, reads: str) -> None:
    with gateway.connect() as connection:
        commit_after(connection, INSERT, reads, outside=table)
        assert rows(connection) == [*KEPT, (4, "four"), (9, "outside"), (11, "one")]
        connection.execute("DELETE FROM written.things WHERE n = 11")
        with pytest.raises(psycopg.errors.SerializationFailure):
            commit_after(connection, reads, outside=table, overwrite=True)
        assert rows(connection) == [(9, "outside")]


def test_a_table_that_a_block_writes_is_not_dropped_meanwhile(gateway: Target, table: Path) -> None:
    with gateway.connect() as connection, gateway.connect() as other:
        other.execute("SET lock_timeout = '200ms'")
        with connection.transaction():
            connection.execute(INSERT.encode())
            for drop in ("DROP TABLE written.things", "BEGIN; DROP TABLE written.things"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    other.execute(drop.encode())
                other.rollback()
        other.execute("DROP TABLE written.things")


@pytest.mark.parametrize("overwrite", [False, True])
def test_changes_do_not(gateway: Target, table: Path, *, overwrite: bool) -> None:
    before = DeltaTable(table).version()
    with gateway.connect() as connection:
        with pytest.raises(psycopg.errors.SerializationFailure) as failed:
            commit_after(connection, INSERT, UPDATE, outside=table, overwrite=overwrite)
        assert failed.value.diag.message_detail == (
            f'Table "written"."things" was at version {before} for this transaction,'
            f" and is at version {before + 1} now."
        )
        assert connection.info.transaction_status.name == "IDLE"
        assert rows(connection) == [*([] if overwrite else KEPT), (9, "outside")]
        run_block(connection, UPDATE)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_above_read_committed_nothing_goes_behind_anything(gateway: Target, table: Path, level: str) -> None:
    with gateway.connect() as connection:
        connection.execute(f"SET default_transaction_isolation = '{level.lower()}'".encode())
        with pytest.raises(psycopg.errors.SerializationFailure):
            commit_after(connection, INSERT, outside=table)
        with connection.transaction(force_rollback=True):
            rows(connection)
            write_deltalake(table, OUTSIDE, mode="append")
            with pytest.raises(psycopg.errors.SerializationFailure), connection.transaction():
                connection.execute(INSERT.encode())
        run_block(connection, INSERT)


def test_at_read_committed_a_write_sees_what_there_is(gateway: Target, table: Path) -> None:
    with gateway.connect() as connection, connection.transaction():
        assert rows(connection) == KEPT
        write_deltalake(table, OUTSIDE, mode="append")
        assert rows(connection) == KEPT
        connection.execute("DELETE FROM written.things WHERE n < 3")
        assert rows(connection) == [(3, "three"), (9, "outside")]


def test_a_lost_connection_leaves_nothing(gateway: Target, table: Path) -> None:
    with closing(gateway.connect()) as left:
        left.execute("BEGIN")
        left.execute(UPDATE.encode())
        assert len(open_blocks(gateway)) == 1
    until(lambda: open_blocks(gateway) == [])
    with gateway.connect() as connection:
        assert rows(connection) == KEPT
        connection.execute(INSERT.encode())


def test_a_block_that_idles_too_long_leaves_nothing(gateway: Target, table: Path) -> None:
    with closing(gateway.connect()) as idle, gateway.connect() as connection:
        idle.execute("SET idle_in_transaction_session_timeout = '300ms'")
        idle.execute("BEGIN")
        idle.execute(UPDATE.encode())
        # The table is free again when the session has ended.
        connection.execute(INSERT.encode())
        assert rows(connection) == [*KEPT, (4, "four")]
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            idle.execute("COMMIT")
    until(lambda: open_blocks(gateway) == [])


def test_a_cancelled_write_goes_back_to_its_savepoint(gateway: Target, table: Path) -> None:
    endless = "UPDATE written.things SET word = l_comment FROM tpch.lineitem WHERE l_orderkey + n < 0"
    with gateway.connect() as connection, connection.transaction():
        connection.execute(INSERT.encode())
        connection.execute("SAVEPOINT a")
        connection.execute("SET LOCAL statement_timeout = '50ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(endless.encode())
        connection.execute("ROLLBACK TO a")
        connection.execute(UPDATE.encode())
        assert rows(connection) == [(1, "changed"), *KEPT[1:], (4, "four")]
