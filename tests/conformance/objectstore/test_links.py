"""A guest that reads the store itself, by links: what it is told, what a link is good for, and who is believed."""

import asyncio
import dataclasses
import http.server
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import pytest

from catalog.credentials import CredentialProvider
from catalog.errors import UnreadableTable
from compute.connection import Connection
from compute.guest.objects import StoreReader
from compute.objects import ObjectReader, StoredTable
from compute.spawners.qemu.gate import MOST_CONNECTIONS, Gate
from compute.transport import Frame, encode
from tests.cluster.certificates import Authority
from tests.conformance.objectstore.test_reads import ALL, SUM, gate, put, reading, scan
from tests.fix_compute import ask
from tests.objectstore.server import BUCKET, HOST, Store

FOLDER = f"s3://{BUCKET}/plain"
TABLE = StoredTable("demo", FOLDER)
CONTENT = bytes(range(256))


async def test_the_gateway_reads_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says links, in which there is neither its own key nor the role's secret, and no byte of the table."""
    said: list[bytes] = []
    send = Connection.send

    def record(connection: Connection, frame: Frame) -> None:
        said.extend(bytes(piece) for piece in encode(frame))
        send(connection, frame)

    monkeypatch.setattr(Connection, "send", record)
    async with reading(store, tmp_path, gate(store.port)) as lease:
        assert await ask(lease, SUM, scans=[scan("plain", put(store, "plain/a"))]) == ALL
    told = b"".join(said)
    assert b"X-Amz-Signature" in told
    assert b"PAR1" not in told
    lent = CredentialProvider(store.settings()).lend("demo", FOLDER)
    assert not any(secret.encode() in told for secret in (store.key, store.secret, lent.secret_key))


async def test_a_link_leads_to_one_object(store: Store) -> None:
    """For reading. Neither to its neighbour nor to the folder's list, and not for writing."""
    put(store, "plain/a")
    put(store, "plain/b")
    link = await ObjectReader(CredentialProvider(store.settings())).link(TABLE, f"{FOLDER}/a")
    assert status(Request(link)) == 200
    assert status(Request(link.replace("plain/a", "plain/b"))) == 403
    assert status(Request(link.replace("plain/a", ""))) == 403
    assert status(Request(link, b"x", method="PUT")) == 403


async def test_no_link_out_of_the_tables_folder(store: Store) -> None:
    with pytest.raises(UnreadableTable, match="outside"):
        await ObjectReader(CredentialProvider(store.settings())).link(TABLE, f"s3://{BUCKET}/secret/a")


def status(request: Request) -> int:
    try:
        with urlopen(request) as answer:
            return int(answer.status)
    except OSError as error:
        return int(getattr(error, "code", 0))


async def test_where_the_network_fails_the_gateway_reads(store: Store, tmp_path: Path) -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind((HOST, 0))
        async with reading(store, tmp_path, gate(nobody.getsockname()[1])) as lease:
            assert await ask(lease, SUM, scans=[scan("plain", put(store, "plain/a"))]) == ALL


async def test_where_the_network_makes_no_sense_the_gateway_reads(store: Store, tmp_path: Path) -> None:
    """To Python a name with so long a label is a bad value, not a failed call."""
    nowhere = dataclasses.replace(gate(store.port), gate=64 * "x")
    async with reading(store, tmp_path, nowhere) as lease:
        assert await ask(lease, SUM, scans=[scan("plain", put(store, "plain/a"))]) == ALL


async def test_an_object_that_is_replaced_between_a_machines_read_and_the_gateways(
    store: Store, tmp_path: Path
) -> None:
    """All parts of a file are of one object, whoever has read them."""
    async with reading(store, tmp_path, gate(store.port)) as lease:
        file = put(store, "swapped/a")
        assert await ask(lease, SUM, scans=[scan("swapped", file)]) == ALL
        put(store, "swapped/a", first=7)
        with pytest.raises(UnreadableTable, match="not the one that its log names"):
            await ask(lease, SUM, scans=[dataclasses.replace(scan("swapped", file), digest="again")])


class _OneObject(http.server.BaseHTTPRequestHandler):
    """By ranges."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        first, last = (int(end) for end in self.headers["Range"].removeprefix("bytes=").split("-"))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(CONTENT)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", '"tag"')
        self.end_headers()
        self.wfile.write(CONTENT[first : last + 1])

    def log_message(self, format: str, *args: object) -> None:
        """It is asked by the test alone."""


@contextmanager
def secured(certificate: Path, key: Path) -> Iterator[int]:
    """A store that speaks TLS; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(context) as port:
        yield port


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A store of one object; its port."""
    with http.server.ThreadingHTTPServer((HOST, 0), _OneObject) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        answering = Thread(target=server.serve_forever, args=(0.05,))
        answering.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            answering.join()


async def test_more_hosts_than_the_gate_lets_in() -> None:
    """Each bucket has one. A connection that is kept for one of them is not in the way of the next."""
    with serving() as port:
        listener = socket.create_server((HOST, 0))
        reader = StoreReader(gate(listener.getsockname()[1]))
        through = Gate(listener, HOST, port)
        for number in range(2 * MOST_CONNECTIONS):
            link = f"http://bucket{number}.localhost/a?signed"
            content, _ = await asyncio.to_thread(reader.read, link, range(100), len(CONTENT))
            assert content.to_pybytes() == CONTENT[:100]
        reader.close()
        await through.close()


def test_a_store_is_who_its_authority_says(tmp_path: Path) -> None:
    """By the name in the link, though it is reached at the gate."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    authority, stranger = Authority(mine), Authority(other)
    with secured(*authority.sign("store")) as port, closing(trusting(port, authority)) as reader:
        for start in (0, 100):
            content, tag = reader.read("https://localhost/lake/a?signed", range(start, 200), len(CONTENT))
            assert (content.to_pybytes(), tag) == (CONTENT[start:200], '"tag"')
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            reader.read("https://another.name/lake/a?signed", range(100), len(CONTENT))
        with pytest.raises(ssl.SSLCertVerificationError):
            trusting(port, stranger).read("https://localhost/lake/a?signed", range(100), len(CONTENT))


def trusting(port: int, authority: Authority) -> StoreReader:
    return StoreReader(gate(port, authority.certificate.read_text()))


def test_a_read_that_is_stopped(tmp_path: Path) -> None:
    """It does not wait for a store that has nothing to say."""
    with socket.create_server((HOST, 0)) as silent:
        reader = StoreReader(gate(silent.getsockname()[1]))
        failed: list[BaseException] = []

        def read() -> None:
            try:
                reader.read("http://localhost/lake/a?signed", range(100), len(CONTENT))
            except OSError as error:
                failed.append(error)

        reading = Thread(target=read)
        reading.start()
        with closing(silent.accept()[0]) as asked:
            assert asked.recv(3) == b"GET"
            reader.stop()
            reading.join()
    assert failed
