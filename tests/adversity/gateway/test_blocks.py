"""A gateway that is killed while a block writes: nothing is left of the block, and its table is free."""

import os
import secrets
import signal
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from deltalake import DeltaTable

from catalog.names import TableName
from tests.blocks import open_blocks, rows, table_folder
from tests.fix_gateway import NO_SPARK, lake_folder, running_gateway, started_gateway
from tests.processes import until
from tests.target import Target

pytestmark = pytest.mark.spark


def test_a_killed_gateways_block_is_swept_away(lake: Mapping[TableName, Path]) -> None:
    password = secrets.token_urlsafe()
    with lake_folder(lake, password) as data:
        with started_gateway(data, password, NO_SPARK) as daemon:
            target = Target.parse(daemon.ready_line.removeprefix("ready ").split()[0], password, daemon.process.pid)
            with closing(target.connect()) as connection:
                connection.execute("CREATE SCHEMA written")
                connection.execute("CREATE TABLE written.things (n int, word text) USING delta")
                connection.execute("INSERT INTO written.things VALUES (1, 'one')")
                folder = table_folder(target)
                files = set(folder.rglob("*"))
                connection.execute("BEGIN")
                connection.execute("INSERT INTO written.things VALUES (2, 'lost')")
                connection.execute("INSERT INTO written.things VALUES (3, 'lost, too')")
                assert len(open_blocks(target)) == 1
                os.kill(daemon.process.pid, signal.SIGKILL)
            daemon.process.wait()
        with running_gateway(data, password) as again, again.connect() as connection:
            assert open_blocks(again) == []
            assert set(folder.rglob("*")) == files
            assert rows(connection) == [(1, "one")]
            connection.execute("SET lock_timeout = '5s'")
            connection.execute("UPDATE written.things SET word = 'free'")
            assert rows(connection) == [(1, "free")]
            assert DeltaTable(folder).version() == 2


def test_a_killed_gateways_definitions_are_gone(lake: Mapping[TableName, Path]) -> None:
    password = secrets.token_urlsafe()
    with lake_folder(lake, password) as data:
        with started_gateway(data, password, NO_SPARK) as daemon:
            target = Target.parse(daemon.ready_line.removeprefix("ready ").split()[0], password, daemon.process.pid)
            with closing(target.connect()) as connection:
                connection.execute("CREATE SCHEMA written")
                connection.execute("CREATE TABLE written.things (n int, word text)")
                connection.execute("BEGIN")
                for statement in (
                    "CREATE TABLE written.more AS SELECT 1 AS n",
                    "INSERT INTO written.more VALUES (2)",
                    "CREATE VIEW written.seen AS SELECT n FROM written.more",
                    "DROP TABLE written.things",
                ):
                    connection.execute(statement.encode())
                folder = table_folder(target)
                assert len(list(folder.parent.iterdir())) == 2
                os.kill(daemon.process.pid, signal.SIGKILL)
            daemon.process.wait()
        with running_gateway(data, password, NO_SPARK) as again, again.connect() as connection:
            until(lambda: list(folder.parent.iterdir()) == [folder])
            shadows = "SELECT relname FROM pg_class WHERE relnamespace = 'written'::regnamespace"
            assert connection.execute(shadows.encode()).fetchall() == [("things",)]
            assert rows(connection) == []
