"""Tables in an object store through a gateway, by processes and by microVMs: what is read, and what is refused."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from psycopg import errors, sql

from catalog.names import TableName
from tests.conformance.tpch.test_tpch import QUERIES, run
from tests.fix_gateway import lake_folder, running_gateway
from tests.fix_machines import DISK_BYTES, MICROVM, microvms
from tests.lakes import write_table
from tests.objectstore.server import BUCKET, Store
from tests.processes import machines
from tests.target import Target

SLEEPING = ("--min-machines", "0")
MICROVMS = ("--spawner", "qemu", "--memory", str(MICROVM.memory_bytes >> 20), "--spill", str(DISK_BYTES >> 20))
QUERY_1, QUERY_6 = QUERIES[0], QUERIES[5]


@pytest.fixture(scope="module", params=["process", "qemu"])
def stored(
    request: pytest.FixtureRequest, store: Store, stored_lineitem: str, lake: Mapping[TableName, Path]
) -> Iterator[Target]:
    """A gateway with `tpch.lineitem` on its disk and `stored.lineitem` in the store."""
    options = SLEEPING if request.param == "process" else (*SLEEPING, *MICROVMS)
    if request.param == "qemu":
        request.getfixturevalue("guest_image")
    name, password = TableName("tpch", "lineitem"), secrets.token_urlsafe()
    with (
        lake_folder({name: lake[name]}, password) as data,
        running_gateway(data, password, options, store.environment()) as target,
    ):
        with target.connect() as connection:
            connection.execute("CREATE SCHEMA stored")
            connection.execute(located("lineitem", stored_lineitem))
        yield target


@pytest.fixture
def networked(store: Store, stored_lineitem: str, guest_image: Path, tmp_path: Path) -> Iterator[Target]:
    """A gateway whose machines read the store themselves, with `stored.lineitem`."""
    password, declared = secrets.token_urlsafe(), tmp_path / "warehouse.toml"
    declared.write_text("[engines.duckdb]\nreaches_store = true")
    options = (*SLEEPING, *MICROVMS, "--warehouse", str(declared))
    with (
        lake_folder({}, password) as data,
        running_gateway(data, password, options, store.environment()) as target,
    ):
        with target.connect() as connection:
            connection.execute("CREATE SCHEMA stored")
            connection.execute(located("lineitem", stored_lineitem))
        yield target


def located(table: str, location: str) -> sql.Composed:
    statement = sql.SQL("CREATE TABLE stored.{} USING delta LOCATION {}")
    return statement.format(sql.Identifier(table), sql.Literal(location))


def ask(target: Target, query: str | sql.Composed, path: str = "stored") -> list[tuple]:
    with target.connect(options=f"-c search_path={path}") as connection:
        return connection.execute(query.encode() if isinstance(query, str) else query).fetchall()


@pytest.mark.parametrize("query", [QUERY_1, QUERY_6], ids=["q01", "q06"])
def test_the_same_rows_as_from_a_local_disk(stored: Target, query: Path) -> None:
    answers = []
    for path in ("tpch", "stored"):
        with stored.connect(options=f"-c search_path={path} -c lakegate.lane=duckdb") as connection:
            answers.append(run(connection, query))
    assert answers[0] == answers[1]
    assert answers[0].rows


def test_no_credentials_in_the_machine(stored: Target, store: Store) -> None:
    """Nor the store's address, in the memory of a machine that has just read from it."""
    with stored.connect(options="-c search_path=stored") as connection:
        assert connection.execute("SELECT count(*) > 0 FROM lineitem").fetchone() == (True,)
        assert stored.pid is not None
        found = [each.pid for each in (*machines(stored.pid), *microvms(stored.pid))]
        assert found
        for secret in (store.secret, store.key, store.endpoint):
            assert holds(stored.pid, secret.encode()), "it would be found"
            assert not any(holds(pid, secret.encode()) for pid in found), "a machine knows of the store"


@pytest.mark.skipif(os.geteuid() != 0, reason="networks are made by root")
def test_a_machine_that_reaches_the_store_has_links_and_no_key(networked: Target, store: Store) -> None:
    with networked.connect(options="-c search_path=stored") as connection:
        assert connection.execute("SELECT max(l_orderkey) > 0 FROM lineitem").fetchone() == (True,)
        [machine] = microvms(networked.pid)
        assert holds(machine.pid, b"X-Amz-Signature=")
        assert not any(holds(machine.pid, secret.encode()) for secret in (store.key, store.secret))


def holds(pid: int, wanted: bytes) -> bool:
    """Whether those bytes are in a process's environment, command line or memory."""
    told = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    return wanted in told or any(wanted in part for part in memory_of(pid))


def memory_of(pid: int) -> Iterator[bytes]:
    """A microVM's holds its guest's. What the kernel gives nobody is passed over."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            first, last = (int(end, 16) for end in line.split()[0].split("-"))
            with suppress(OSError, OverflowError):
                memory.seek(first)
                yield memory.read(last - first)


def test_a_new_version_is_read_at_once(stored: Target, store: Store, tmp_path: Path) -> None:
    write_table(tmp_path / "t", {"id": [1]})
    key = f"grown-{secrets.token_hex(4)}"
    location = store.upload(tmp_path / "t", key)
    with stored.connect() as connection:
        connection.execute(located(key, location))
    assert ask(stored, f'SELECT id FROM "{key}"') == [(1,)]
    write_table(tmp_path / "t", pa.table({"id": [2], "name": ["two"]}), mode="append", schema_mode="merge")
    store.upload(tmp_path / "t", key)
    assert ask(stored, f'SELECT id, name FROM "{key}" ORDER BY 1') == [(1, None), (2, "two")]
    assert ask(stored, f'SELECT id FROM "{key}" FOR VERSION AS OF 0') == [(1,)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SET lakegate.lane = spark; SELECT count(*) FROM lineitem", "object store"),
        ("DELETE FROM lineitem", "object store"),
        ("INSERT INTO lineitem SELECT * FROM lineitem", "object store"),
        ("ALTER TABLE lineitem ADD COLUMN extra int", "object store"),
        ("CREATE TABLE parts USING delta PARTITIONED BY (l_tax) AS SELECT * FROM lineitem", "object store"),
        ("CREATE TABLE other USING delta LOCATION '/etc'", "s3://"),
    ],
)
def test_what_is_not_supported_says_so(stored: Target, query: str, says: str) -> None:
    with (
        stored.connect(options="-c search_path=stored") as connection,
        pytest.raises(errors.FeatureNotSupported, match=says) as caught,
    ):
        connection.execute(query.encode())
    assert caught.value.diag.message_hint


def test_its_rows_come_into_a_table(stored: Target) -> None:
    """DuckDB gives them, and the gateway writes where it has a folder."""
    some = "SELECT l_orderkey, l_extendedprice, l_comment FROM lineitem WHERE l_orderkey < 100 ORDER BY 1, 2"
    with stored.connect(options="-c search_path=stored") as connection:
        connection.execute(f"CREATE TABLE copied USING delta AS {some}".encode())
        copied = connection.execute("SELECT * FROM copied ORDER BY 1, 2").fetchall()
        assert copied == connection.execute(some.encode()).fetchall()
        assert copied
        connection.execute("DROP TABLE copied")


@pytest.mark.parametrize(
    ("location", "error"),
    [
        (f"s3://{BUCKET}/nothing/here", psycopg.OperationalError),
        ("s3://no-such-bucket/x", psycopg.Error),
        ("s3://lake/a*b", errors.InvalidParameterValue),
    ],
)
def test_locations_without_a_table(stored: Target, location: str, error: type[psycopg.Error]) -> None:
    with stored.connect() as connection, pytest.raises(error):
        connection.execute(located("nothing", location))


def test_only_admins_register_places(stored: Target, stored_lineitem: str) -> None:
    user, password = f"user_{secrets.token_hex(4)}", secrets.token_urlsafe()
    with stored.connect() as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'".encode())
        connection.execute(f"GRANT USAGE, CREATE ON SCHEMA stored TO {user}".encode())
    with (
        stored.as_user(user, password).connect() as connection,
        pytest.raises(errors.InsufficientPrivilege, match="permission denied for location"),
    ):
        connection.execute(located("mine", stored_lineitem))


def test_dropping_a_table_leaves_its_objects(stored: Target, store: Store, tmp_path: Path) -> None:
    location = store.upload(Path(write_table(tmp_path / "t", {"id": [1]})), f"dropped-{secrets.token_hex(4)}")
    for _ in range(2):
        with stored.connect() as connection:
            connection.execute(located("dropped", location))
            connection.execute("DROP TABLE stored.dropped")
