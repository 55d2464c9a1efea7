"""COPY as clients do it: psycopg in text and binary, psql's \\copy, pgjdbc's CopyManager."""

import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import jpype
import pytest

from tests.drivers.jdbc import connected
from tests.fix_oracle import BINARIES
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.spark]

ROWS = [(1, "a\tb", Decimal("1.50")), (2, None, None), (3, 'c,"d"\n', Decimal("-0.01"))]
ALL = "SELECT * FROM sample.copied ORDER BY id"


@pytest.fixture
def table(target: Target) -> Iterator[None]:
    """An empty table `sample.copied`."""
    storage = " USING delta" if target.is_gateway else ""
    with target.connect() as connection:
        connection.execute(f"CREATE TABLE sample.copied (id int NOT NULL, t text, n numeric(6,2)){storage}".encode())
        yield
        connection.execute("DROP TABLE sample.copied")


@pytest.mark.usefixtures("table")
def test_psycopg_writes_and_reads(target: Target) -> None:
    with target.connect() as connection, connection.cursor() as cursor:
        for form in ("text", "binary"):
            with cursor.copy(f"COPY sample.copied FROM STDIN (FORMAT {form})".encode()) as copy:
                copy.set_types(["int4", "text", "numeric"])
                for row in ROWS:
                    copy.write_row(row)
            assert cursor.rowcount == len(ROWS)
            with cursor.copy(f"COPY ({ALL}) TO STDOUT (FORMAT {form})".encode()) as copy:
                copy.set_types(["int4", "text", "numeric"])
                assert sorted(copy.rows(), key=str) == sorted(ROWS * (1 if form == "text" else 2), key=str)


@pytest.mark.usefixtures("table")
def test_psql_copies_files(target: Target, tmp_path: Path) -> None:
    given, taken = tmp_path / "given.csv", tmp_path / "taken.csv"
    given.write_text('id,t,n\n1,"a,b",1.50\n2,,\n')
    command = [
        str(BINARIES / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
        "-c", rf"\copy sample.copied from '{given}' with (format csv, header match)",
        "-c", rf"\copy ({ALL}) to '{taken}' with (format csv, header)",
        "-c", "COPY sample.copied TO STDOUT",
    ]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, **target.environment}, capture_output=True, text=True, check=True)
    assert taken.read_text() == given.read_text()
    assert sorted(done.stdout.splitlines()) == ["1\ta,b\t1.50", "2\t\\N\t\\N"]


@pytest.mark.usefixtures("table", "java")
def test_pgjdbc_copies_streams(target: Target) -> None:
    with connected(target) as connection:
        manager = jpype.JClass("org.postgresql.copy.CopyManager")(connection)
        given = jpype.JClass("java.io.StringReader")("1\tx\t1.50\n2\t\\N\t\\N\n")
        assert manager.copyIn("COPY sample.copied FROM STDIN", given) == 2
        taken = jpype.JClass("java.io.StringWriter")()
        assert manager.copyOut(f"COPY ({ALL}) TO STDOUT", taken) == 2
        assert str(taken.toString()) == "1\tx\t1.50\n2\t\\N\t\\N\n"
