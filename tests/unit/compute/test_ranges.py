"""The host's side of range reads: what a guest gets, what it is refused, and what ends its connection."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from catalog.errors import MachineLost
from catalog.scans import DataFile, Scan
from compute.connection import Connection
from compute.guest.channel import Channel
from compute.ranges import MOST_REFUSALS, RangeServer, read_range
from compute.transport import MOST_READS, READ_BYTES, Frame, Kind
from tests.fix_remote import connected

CONTENT = bytes(range(256)) * 16
LINK = {"read": 7, "scan": "d", "file": 0}
READ = {"read": 7, "scan": "d", "file": 0, "offset": 3, "length": 5}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace's folder with one file, and a secret beside it."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a b%20é.parquet").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


@pytest.fixture
async def ends(root: Path) -> AsyncIterator[tuple[Connection, Channel]]:
    """A connection that serves that file to a guest whose end is ours too."""
    async with connected() as (connection, channel):
        server = RangeServer(connection, "demo", str(root))
        server.offer([a_scan(str(root / "a b%20é.parquet"))])
        yield connection, channel


def a_scan(*paths: str, size: int = len(CONTENT)) -> Scan:
    return Scan("s", "/t", 0, (), tuple(DataFile(path, size, ()) for path in paths), True, "d")


async def ask(channel: Channel, **changes: Any) -> Frame:
    channel.send(Frame(Kind.READ, control=READ | changes))
    answer = await asyncio.to_thread(channel.receive)
    assert answer is not None
    return answer


async def test_a_range_of_an_offered_file(ends: tuple[Connection, Channel]) -> None:
    answer = await ask(ends[1])
    assert (answer.kind, answer.control, bytes(answer.body or b"")) == (Kind.DATA, {"read": 7}, CONTENT[3:8])


@pytest.mark.parametrize(
    "changes",
    [{"scan": "other"}, {"file": 1}, {"offset": len(CONTENT)}, {"length": len(CONTENT)}, {"offset": (1 << 62) - 1}],
)
async def test_what_was_not_offered_is_refused(ends: tuple[Connection, Channel], changes: dict[str, Any]) -> None:
    answer = await ask(ends[1], **changes)
    assert answer.control == {"read": 7, "refused": "not a part of the statement's files"}
    assert (await ask(ends[1])).body is not None, "the connection goes on"


async def test_nothing_is_read_after_the_statement(root: Path) -> None:
    async with connected() as (connection, channel):
        server = RangeServer(connection, "demo", str(root))
        server.offer([a_scan(str(root / "a b%20é.parquet"))])
        server.withdraw()
        assert "refused" in (await ask(channel)).control


async def test_a_guest_that_is_refused_again_and_again_is_left(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each statement has its own refusals, of which one is logged."""
    caplog.set_level(logging.INFO, "compute.ranges")
    async with connected() as (connection, channel):
        server = RangeServer(connection, "demo", str(root))
        for statements in (1, 2):
            server.offer([a_scan(str(root / "a b%20é.parquet"))])
            for _ in range(MOST_REFUSALS):
                assert "refused" in (await ask(channel, scan="other")).control
            assert len([each for each in caplog.records if "a range read failed" in each.message]) == statements
        channel.send(Frame(Kind.READ, control=READ))
        with pytest.raises(MachineLost):
            await connection.receive()


@pytest.mark.parametrize(
    "changes",
    [
        {"length": 0},
        {"length": READ_BYTES + 1},
        {"offset": -1},
        {"offset": 1 << 62},
        {"file": True},
        {"file": "0"},
        {"length": 1.0},
        {"scan": ["d"]},
        {"read": None},
        {"tag": 1},
    ],
)
async def test_a_guest_that_makes_no_sense_is_left(ends: tuple[Connection, Channel], changes: dict[str, Any]) -> None:
    connection, channel = ends
    channel.send(Frame(Kind.READ, control=READ | changes))
    with pytest.raises(MachineLost):
        await connection.receive()


async def test_a_read_has_every_part_and_no_body(ends: tuple[Connection, Channel]) -> None:
    connection, channel = ends
    channel.send(Frame(Kind.READ, control=READ, body=pa.py_buffer(b"x")))
    with pytest.raises(MachineLost):
        await connection.receive()


async def test_a_guest_without_a_network_gets_no_links(ends: tuple[Connection, Channel]) -> None:
    connection, channel = ends
    channel.send(Frame(Kind.LINK, control=LINK))
    with pytest.raises(MachineLost):
        await connection.receive()


@pytest.mark.parametrize("changes", [{"file": -1}, {"file": None}, {"scan": 1}, {"tag": 1}, {"read": "7"}])
async def test_a_link_that_makes_no_sense(root: Path, changes: dict[str, Any]) -> None:
    async with connected() as (connection, channel):
        RangeServer(connection, "demo", str(root), linked=True).offer([a_scan(str(root / "a b%20é.parquet"))])
        channel.send(Frame(Kind.LINK, control=LINK | changes))
        with pytest.raises(MachineLost):
            await connection.receive()


@pytest.mark.parametrize("changes", [{}, {"scan": "other"}, {"file": 1}])
async def test_there_are_no_links_to_the_hosts_files(root: Path, changes: dict[str, Any]) -> None:
    async with connected() as (connection, channel):
        RangeServer(connection, "demo", str(root), linked=True).offer([a_scan(str(root / "a b%20é.parquet"))])
        channel.send(Frame(Kind.LINK, control=LINK | changes))
        answer = await asyncio.to_thread(channel.receive)
    assert answer is not None
    assert set(answer.control) == {"read", "refused"}


async def test_a_guest_that_opens_files_itself_may_not_ask() -> None:
    async with connected() as (connection, channel):
        channel.send(Frame(Kind.READ, control=READ))
        with pytest.raises(MachineLost):
            await connection.receive()


async def test_a_guest_that_asks_and_never_takes_is_left(root: Path) -> None:
    """What waits to be sent to it is bounded."""
    large = root / "large"
    large.write_bytes(b"x" * READ_BYTES)
    async with connected() as (connection, channel):
        RangeServer(connection, "demo", str(root)).offer([a_scan(str(large), size=READ_BYTES)])
        flood = [Frame(Kind.READ, control=READ | {"offset": 0, "length": READ_BYTES})] * (4 * MOST_READS)
        channel.send(*flood)
        with pytest.raises(MachineLost):
            await connection.receive()


async def test_the_guest_gets_no_paths(root: Path) -> None:
    async with connected() as (connection, _):
        offered = a_scan(str(root / "a b%20é.parquet"))
        (sent,) = RangeServer(connection, "demo", str(root)).offer([offered])
    assert sent == replace(offered, files=(DataFile("", len(CONTENT), ()),))


@pytest.mark.parametrize("path", ["../secret", "link", "folder/secret", "fifo", ".", "absent", "/etc/passwd"])
def test_only_plain_files_below_the_root(root: Path, path: str) -> None:
    """A machine that writes tables may have left links and worse where a file is expected."""
    (root / "link").symlink_to(root.parent / "secret")
    (root / "folder").symlink_to(root.parent)
    os.mkfifo(root / "fifo")
    with pytest.raises(OSError, match=r".+"):
        read_range(str(root), str(root / path), 0, 1)


def test_a_file_that_has_shrunk(root: Path) -> None:
    with pytest.raises(OSError, match="shorter than its table says"):
        read_range(str(root), str(root / "a b%20é.parquet"), len(CONTENT) - 1, 2)


async def test_paths_cross_only_to_an_engine_that_needs_them(root: Path) -> None:
    """The files are the same, and asked for in the same way."""
    scan = a_scan(str(root / "a b%20é.parquet"))
    async with connected() as (connection, channel):
        server = RangeServer(connection, "demo", str(root))
        assert [file.path for file in server.offer([scan])[0].files] == [""]
        assert server.offer([replace(scan, by_path=True)])[0].files == scan.files
        assert bytes((await ask(channel)).body or b"") == CONTENT[3:8]
