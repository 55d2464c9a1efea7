"""psycopg's server-side cursors: named, scrollable, held, with parameters, over more rows than memory has room for."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest

from tests.processes import until
from tests.target import Target

pytestmark = pytest.mark.driver

NATIONS = "SELECT n_nationkey, n_name FROM tpch.nation ORDER BY n_nationkey"
LINES = "SELECT l_orderkey, l_linenumber, l_comment, l_shipinstruct, l_extendedprice FROM tpch.lineitem"


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_named_cursor(target: Target, binary: bool) -> None:
    with target.connect(autocommit=False) as connection, connection.cursor("names", binary=binary) as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT n_nationkey FROM tpch.nation WHERE n_nationkey < %s ORDER BY 1", [17])
        assert cursor.description is not None
        assert [column.name for column in cursor.description] == ["n_nationkey"]
        assert cursor.fetchone() == (0,)
        assert cursor.fetchmany(3) == [(1,), (2,), (3,)]
        assert [key for (key,) in cursor] == list(range(4, 17))
        assert cursor.fetchall() == []


def test_scrollable_cursor(target: Target) -> None:
    with target.connect(autocommit=False) as connection, connection.cursor("back", scrollable=True) as cursor:
        cursor.execute(NATIONS)
        cursor.scroll(20)
        assert cursor.fetchone() == (20, "SAUDI ARABIA")
        cursor.scroll(-3)
        assert cursor.fetchone() == (18, "CHINA")
        cursor.scroll(2, mode="absolute")
        assert cursor.fetchone() == (2, "BRAZIL")
        assert len(cursor.fetchall()) == 22
        cursor.scroll(0, mode="absolute")
        assert len(cursor.fetchall()) == 25


def test_cursor_that_may_not_scroll(target: Target) -> None:
    with target.connect(autocommit=False) as connection, connection.cursor("on", scrollable=False) as cursor:
        cursor.execute(NATIONS)
        cursor.fetchmany(2)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            cursor.scroll(-1)


def test_held_cursor(target: Target) -> None:
    with target.connect(autocommit=False) as connection, connection.cursor("held", withhold=True) as cursor:
        cursor.execute(NATIONS)
        assert cursor.fetchone() == (0, "ALGERIA")
        connection.commit()
        assert len(cursor.fetchall()) == 24
        connection.commit()


def test_cursors_side_by_side(target: Target) -> None:
    with target.connect(autocommit=False) as connection, ExitStack() as stack:
        cursors = [stack.enter_context(connection.cursor(f"c{number}")) for number in range(4)]
        for cursor in cursors:
            cursor.execute(NATIONS)
        for row in range(25):
            assert [found and found[0] for found in (cursor.fetchone() for cursor in cursors)] == [row] * 4


def test_more_rows_than_memory_has_room_for(gateway: Target, oracle: Target) -> None:
    """They wait in files that nobody can find, which go when they have been read."""
    with oracle.connect() as connection:
        expected = connection.execute(
            f"SELECT count(*), sum(l_orderkey), sum(length(l_comment)) FROM ({LINES}) t".encode()
        ).fetchone()
    with gateway.connect(autocommit=False) as connection, connection.cursor("large", scrollable=False) as cursor:
        cursor.itersize = 50_000
        cursor.execute(LINES.encode())
        first = cursor.fetchone()
        until(lambda: spool_files(gateway) > 0)
        rows = [first, *cursor]
        until(lambda: spool_files(gateway) == 0)
    assert expected == (len(rows), sum(row[0] for row in rows), sum(len(row[2]) for row in rows))


def spool_files(target: Target) -> int:
    """Files without a name that the gateway has open for spools."""
    count = 0
    for link in Path(f"/proc/{target.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            path = os.readlink(link)
            count += "/spool/" in path and path.endswith("(deleted)")
    return count
