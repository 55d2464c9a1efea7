"""`lakegate discover`: tables below a folder or prefix, known or not, listed or registered; and what cannot be read."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from catalog.credentials import CredentialProvider, ObjectStore
from catalog.discovery import Bounds, find_tables
from catalog.errors import InvalidParameterValue, ProgramLimitExceeded, SqlError, UndefinedObject
from tests.fix_gateway import LAKEGATE, lake_folder, running_gateway
from tests.lakes import write_table
from tests.objectstore.server import Store
from tests.target import Target

NOBODY = CredentialProvider(ObjectStore())
USUAL = Bounds()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tables, at different depths, one that lies in another and one that is hidden; and one of which nothing but
    the beginning of a log is left."""
    for name in ("orders", "deep/er/items", "orders/inner", "_hidden/table", "broken"):
        write_table(tmp_path / name, {"a": [1, 2]})
    for file in (tmp_path / "broken" / "_delta_log").iterdir():
        file.write_text("{")
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(folder: Path, bounds: Bounds = USUAL) -> list[str]:
    found = find_tables(str(folder), "demo", NOBODY, bounds)
    return [location.removeprefix(f"{folder}/") for location in found]


def test_tables_below_a_folder(folder: Path) -> None:
    assert names(folder) == ["broken", "orders", "deep/er/items"]
    assert names(folder / "orders") == [str(folder / "orders")]


def test_bounds(folder: Path) -> None:
    assert names(folder, Bounds(depth=1)) == ["broken", "orders"]
    for bounds in (Bounds(folders=3), Bounds(tables=2)):
        with pytest.raises(ProgramLimitExceeded):
            names(folder, bounds)


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("/nowhere/at/all", UndefinedObject),
        ("nowhere", InvalidParameterValue),
        ("/a/../b", InvalidParameterValue),
        ("s3://lake", SqlError),
    ],
)
def test_what_is_no_folder(location: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(find_tables(location, "demo", NOBODY, Bounds()))


def test_tables_in_a_store(folder: Path, store: Store) -> None:
    store.upload(folder, "found/here")
    for role in (store.settings(), store.settings(role=None)):
        found = find_tables("s3://lake/found/here", "demo", CredentialProvider(role), Bounds())
        assert [location.removeprefix("s3://lake/found/here/") for location in found] == [
            "broken",
            "orders",
            "deep/er/items",
        ]
    wrong = CredentialProvider(replace(store.settings(role=None), secret_key="wrong"))
    with pytest.raises(SqlError, match="cannot be listed"):
        list(find_tables("s3://lake/found/here", "demo", wrong, Bounds()))


@pytest.fixture
def served(store: Store) -> Iterator[tuple[Target, Path]]:
    with (
        lake_folder({}, "only-for-tests") as data,
        running_gateway(data, "only-for-tests", ("--min-machines", "0"), store.environment()) as target,
    ):
        yield target, data


def located(name: str, columns: str, location: str) -> bytes:
    return f"CREATE TABLE found.{name} ({columns}) USING delta LOCATION '{location}/orders'".encode()


def test_the_command(folder: Path, store: Store, served: tuple[Target, Path]) -> None:
    target, data = served
    location = store.upload(folder, "commanded")

    def discover(*options: str) -> subprocess.CompletedProcess[str]:
        command = [str(LAKEGATE), "discover", location, "--data", str(data), *options]
        return subprocess.run(command, env=dict(store.environment()), capture_output=True, text=True, check=False)

    listed = discover()
    assert listed.returncode == 1
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == [
        f"{location}/orders",
        f"{location}/deep/er/items",
    ]
    assert "version 0, 1 columns, 1 files of" in listed.stdout
    assert f"{location}/broken\terror: the Delta log of table" in listed.stderr
    with target.connect() as connection:
        connection.execute("CREATE SCHEMA found")
        assert "registered as" in discover("--register", "--schema", "found").stdout
        assert connection.execute("SELECT a FROM found.items ORDER BY 1").fetchall() == [(1,), (2,)]
        again = discover("--register", "--schema", "found")
        assert again.stdout.count("known as") == 2
        missing = discover("--register", "--schema", "nowhere", "--depth", "0")
        assert missing.returncode == 0
        for columns, sqlstate in (("b bigint", "42703"), ("a text", "42804"), ("a bigint, c text", "42703")):
            with pytest.raises(psycopg.Error) as raised:
                connection.execute(located("wrong", columns, location))
            assert raised.value.sqlstate == sqlstate
        connection.execute(located("right", "a bigint", location))
        assert connection.execute("SELECT count(*) FROM found.right").fetchone() == (2,)
