"""A client hears while it waits for a machine: of a gateway that has one, which somebody else holds."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import psycopg
import pytest

from catalog.names import TableName
from tests.fix_gateway import NO_SPARK, running_lake
from tests.target import Target

QUERY = b"SELECT count(*) FROM tpch.region"
WAITS = "compute is in use: the statement waits for a duckdb machine, with "
PATIENCE = 300.0


@pytest.fixture(scope="module")
def single(lake: Mapping[TableName, Path]) -> Iterator[Target]:
    region = TableName("tpch", "region")
    with running_lake({region: lake[region]}, ["--max-machines", "1", *NO_SPARK]) as target:
        yield target


def listen(connection: psycopg.Connection) -> SimpleQueue[str]:
    notices: SimpleQueue[str] = SimpleQueue()
    connection.add_notice_handler(lambda diagnostic: notices.put(str(diagnostic.message_primary)))
    return notices


@pytest.mark.parametrize("prepare", [False, True])
def test_who_waits_hears_his_place(single: Target, prepare: bool) -> None:
    """Before he is answered. One who wants no notices hears none."""
    with ThreadPoolExecutor() as threads, single.connect() as first, single.connect() as second:
        first.execute(QUERY)
        with single.connect() as quiet, single.connect() as last:
            quiet.execute("SET client_min_messages = warning")
            heard, unheard, heard_last = listen(second), listen(quiet), listen(last)

            def ask(connection: psycopg.Connection) -> object:
                row = connection.execute(QUERY, prepare=prepare).fetchone()
                connection.close()
                return row

            answers = [threads.submit(ask, second)]
            assert heard.get(timeout=PATIENCE) == f"{WAITS}0 before it"
            answers.append(threads.submit(ask, quiet))
            answers.append(threads.submit(ask, last))
            assert heard_last.get(timeout=PATIENCE).startswith(WAITS)
            assert not any(answer.done() for answer in answers)
            first.close()
            assert [answer.result(PATIENCE) for answer in answers] == [(5,)] * 3
            assert unheard.empty()
