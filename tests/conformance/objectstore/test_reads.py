"""DuckDB over objects in a real store, through the channel or by links: what is read, and what is an error instead of
rows."""

import asyncio
import dataclasses
import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.credentials import CredentialProvider, Role
from catalog.errors import InsufficientPrivilege, StoreUnavailable, UnreadableTable
from catalog.scans import DataFile, Scan, ScanColumn
from compute.connection import Connection
from compute.identity import Network
from compute.lease import Lease
from compute.objects import ObjectReader, Patience
from compute.transport import Frame, encode
from tests.fix_compute import ask
from tests.fix_remote import remote_lease
from tests.objectstore.server import BUCKET, HOST, Store, running_store

ROWS = 1000
SUM = "SELECT count(*) AS n, sum(id) AS total FROM scan_0"
ALL = [{"n": ROWS, "total": ROWS * (ROWS - 1) // 2}]
COLUMNS = (ScanColumn("id", "id", "long", False),)
IMPATIENT = Patience(connect=0.5, answer=0.5, tries=0.5, deadline=1.0)


def put(store: Store, key: str, first: int = 0) -> DataFile:
    """Rows of equal size whatever the first is, so that one may take another's place unseen."""
    content = io.BytesIO()
    ids = pa.array(range(first, first + ROWS), pa.int64())
    pq.write_table(pa.table({"id": ids}), content, compression="none", use_dictionary=False)
    store.client.put_object(Bucket=BUCKET, Key=key, Body=content.getvalue())
    return DataFile(f"s3://{BUCKET}/{key}", len(content.getvalue()), ())


def scan(table: str, *files: DataFile) -> Scan:
    return Scan("scan_0", f"s3://{BUCKET}/{table}", 0, COLUMNS, files, True, f"{table} {hash(files)}")


@asynccontextmanager
async def reading(
    store: Store, folder: Path, network: Network | None = None, **options: object
) -> AsyncIterator[Lease]:
    objects = ObjectReader(CredentialProvider(store.settings(), **options), Patience())  # type: ignore[arg-type]
    async with remote_lease(folder, folder, objects, network) as lent:
        yield lent


@pytest.fixture(params=["channel", "links"])
async def lease(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Lease]:
    async with reading(store, tmp_path, gate(store.port) if request.param == "links" else None) as lent:
        yield lent


def gate(port: int, authorities: str = "") -> Network:
    """Where a guest that is no machine finds a store: on the loopback."""
    return Network(f"{HOST}/8", HOST, port, authorities)


async def test_objects_are_read(store: Store, lease: Lease) -> None:
    assert await ask(lease, SUM, scans=[scan("plain", put(store, "plain/a"))]) == ALL


async def test_the_guest_is_told_no_credentials_and_no_place(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bytes] = []
    send = Connection.send

    def record(connection: Connection, frame: Frame) -> None:
        said.extend(bytes(piece) for piece in encode(frame))
        send(connection, frame)

    monkeypatch.setattr(Connection, "send", record)
    credentials, file = CredentialProvider(store.settings()), put(store, "plain/a")
    async with remote_lease(tmp_path, tmp_path, ObjectReader(credentials)) as lease:
        assert await ask(lease, SUM, scans=[scan("plain", file)]) == ALL
    lent = credentials.lend("demo", f"s3://{BUCKET}/plain")
    for secret in (
        store.key,
        store.secret,
        lent.access_key,
        lent.secret_key,
        str(lent.token),
        store.endpoint,
        file.path,
    ):
        assert not any(secret.encode() in piece for piece in said)
    assert b"PAR1" in b"".join(said), "what it reads does come by these frames"


@pytest.mark.parametrize("name", ["day=2020-01-01/a b.parquet", "é%20+'\"#&.parquet", "~a@(1)!.parquet"])
async def test_odd_names(store: Store, lease: Lease, name: str) -> None:
    assert await ask(lease, SUM, scans=[scan("odd", put(store, f"odd/{name}"))]) == ALL


async def test_an_object_that_was_replaced_is_an_error(store: Store, lease: Lease) -> None:
    """By one of the same size, after a part of the first was read."""
    first, second = put(store, "swap/a"), put(store, "swap/b")
    assert await ask(lease, SUM, scans=[scan("swap", first)]) == ALL
    put(store, "swap/a", first=7)
    with pytest.raises(UnreadableTable, match="not the one that its log names"):
        await ask(lease, SUM, scans=[scan("swap", first, second)])


async def test_an_object_of_another_size_is_an_error(store: Store, lease: Lease) -> None:
    file = put(store, "size/a")
    grown = dataclasses.replace(file, size=file.size - 1)
    with pytest.raises(UnreadableTable, match="not the one that its log names"):
        await ask(lease, SUM, scans=[scan("size", grown)])


async def test_an_object_that_is_gone(store: Store, lease: Lease) -> None:
    file = put(store, "gone/a")
    store.client.delete_object(Bucket=BUCKET, Key="gone/a")
    with pytest.raises(UnreadableTable, match="gone") as caught:
        await ask(lease, SUM, scans=[scan("gone", file)])
    assert caught.value.hint
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def test_an_object_outside_of_its_table(store: Store, lease: Lease) -> None:
    """A log may name any path; the gateway's own key might even open it."""
    secret = put(store, "secret/a")
    with pytest.raises(UnreadableTable, match="outside"):
        await ask(lease, SUM, scans=[scan("mine", secret)])


async def test_two_tables_each_with_its_own_credentials(store: Store, lease: Lease) -> None:
    left, right = scan("left", put(store, "left/a")), scan("right", put(store, "right/a"))
    both = [left, dataclasses.replace(right, relation="scan_1")]
    sql = "SELECT count(*) AS n FROM scan_0 JOIN scan_1 USING (id)"
    assert await ask(lease, sql, scans=both) == [{"n": ROWS}]


async def test_a_long_list(store: Store, lease: Lease) -> None:
    """Ten thousand files, of which a statement needs a few."""
    file = put(store, "long/a")
    assert await ask(lease, "SELECT id FROM scan_0 LIMIT 1", scans=[scan("long", *[file] * 10_000)]) == [{"id": 0}]


async def test_a_role_that_may_not(store: Store, tmp_path: Path) -> None:
    refused = CredentialProvider(
        dataclasses.replace(store.settings(), role=Role("arn:aws:iam::000000000000:role/Nobody"))
    )
    async with remote_lease(tmp_path, tmp_path, ObjectReader(refused)) as lease:
        with pytest.raises(InsufficientPrivilege) as caught:
            await ask(lease, SUM, scans=[scan("plain", put(store, "plain/a"))])
    assert caught.value.hint


async def test_credentials_are_renewed_and_expired_ones_refused(tmp_path: Path) -> None:
    """Sessions of a second: who keeps the time goes on, whose clock stands is refused."""
    (tmp_path / "store").mkdir()
    with running_store(tmp_path / "store", session_seconds=1) as store:
        started = datetime.now(UTC)
        async with reading(store, tmp_path) as timely, reading(store, tmp_path, now=lambda: started) as late:
            for number in range(3):
                file = put(store, f"plain/{number}")
                assert await ask(timely, SUM, scans=[scan("plain", file)]) == ALL
                if number == 0:
                    assert await ask(late, SUM, scans=[scan("plain", file)]) == ALL
                await asyncio.sleep(1.0)
            with pytest.raises(InsufficientPrivilege, match="refuses"):
                await ask(late, SUM, scans=[scan("plain", file)])


async def test_a_store_that_stalls(store: Store, tmp_path: Path) -> None:
    """It takes connections and says nothing."""
    with socket.create_server((HOST, 0)) as silent:
        endpoint = f"http://{HOST}:{silent.getsockname()[1]}"
        settings = dataclasses.replace(store.settings(role=None), endpoint=endpoint)
        objects = ObjectReader(CredentialProvider(settings), IMPATIENT)
        async with remote_lease(tmp_path, tmp_path, objects) as lease:
            with pytest.raises(StoreUnavailable) as caught:
                await ask(lease, SUM, scans=[scan("plain", put(store, "plain/a"))])
    assert caught.value.hint == "Run the statement again."
