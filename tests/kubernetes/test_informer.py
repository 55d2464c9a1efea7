"""What an informer does when its server hangs up, forgets, or dies."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from compute.spawners.kubernetes.api import Api
from compute.spawners.kubernetes.informer import Change, Informer
from tests.cluster.control_plane import ControlPlane
from tests.fix_cluster import Machines, eventually


class Wire:
    """A TCP relay to the API server that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Who is connected is so no more, and nobody else comes through."""
        assert self._server is not None
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Who is connected is so no more."""
        for writer in self._open:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {writer, server_writer}
        self._open |= ends
        with suppress(OSError):
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        for end in ends:
            end.close()
        self._open -= ends


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


class Seen:
    """Names of what exists, by what an informer told, and how often it told that something is gone."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.gone: list[str] = []

    def __call__(self, change: Change) -> None:
        name = change.object["metadata"]["name"]
        if change.kind == "gone":
            self.names.discard(name)
            self.gone.append(name)
        else:
            self.names.add(name)


@pytest.fixture
async def wire(control_plane: ControlPlane) -> AsyncIterator[Wire]:
    relay = Wire(int(control_plane.url.rpartition(":")[2]))
    await relay.join()
    yield relay
    relay.cut()


@pytest.fixture
async def watched(machines: Machines, wire: Wire) -> AsyncIterator[tuple[Informer, Seen]]:
    """An informer of the namespace's ConfigMaps, through the wire, with `kept` and `lost` there from the start."""
    path = machines.plane.kubeconfig("admin")
    config = json.loads(path.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{wire.port}"
    through_wire = machines.plane.folder / f"{machines.namespace}.kubeconfig"
    through_wire.write_text(json.dumps(config))
    client = await Api.connect(through_wire)
    seen = Seen()
    await create(machines, "kept")
    await create(machines, "lost")
    informer = Informer(client, config_maps(machines), seen, labels="tests=informer")
    await informer.start()
    yield informer, seen
    await informer.stop()
    await client.close()


def config_maps(machines: Machines, name: str = "") -> str:
    return f"/api/v1/namespaces/{machines.namespace}/configmaps/{name}".rstrip("/")


async def create(machines: Machines, name: str) -> Any:
    metadata = {"name": name, "labels": {"tests": "informer"}}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return await machines.admin.create(config_maps(machines), manifest)


async def create_and_see(machines: Machines, seen: Seen, name: str) -> None:
    await create(machines, name)
    await eventually(lambda: name in seen.names)


async def test_a_watch_that_ends_is_resumed(machines: Machines, wire: Wire, watched: tuple[Informer, Seen]) -> None:
    """What happened in between comes, and nothing is listed again."""
    informer, seen = watched
    assert seen.names == {"kept", "lost"}
    for number in range(3):
        await create_and_see(machines, seen, f"before-{number}")
        wire.hang_up()
        await create_and_see(machines, seen, f"after-{number}")
    assert informer.watches >= 4
    await machines.admin.delete(config_maps(machines, "lost"))
    await eventually(lambda: "lost" not in seen.names)
    assert (informer.lists, seen.gone) == (1, ["lost"])


async def test_what_the_server_has_forgotten_is_listed_again(
    machines: Machines, wire: Wire, watched: tuple[Informer, Seen]
) -> None:
    """etcd compacts and the API server dies while we are away: 410 Gone. What went missing counts as deleted, also
    where another has its name by now."""
    informer, seen = watched
    plane = machines.plane
    await eventually(lambda: informer.watches == 1)
    wire.cut()
    for name in ("lost", "kept"):
        await machines.admin.delete(config_maps(machines, name))
    await create(machines, "kept")
    newest = await create(machines, "new")
    restart_compacted(plane, int(newest["metadata"]["resourceVersion"]))
    await wire.join()
    await eventually(lambda: "new" in seen.names)
    assert seen.names == {"kept", "new"}
    assert seen.gone == ["kept", "lost"]
    assert informer.lists == 2


def restart_compacted(plane: ControlPlane, revision: int) -> None:
    """Nothing older than that revision can be watched any more: neither etcd nor the API server remembers it."""
    plane.processes["kube-apiserver"].kill()
    body = json.dumps({"revision": str(revision), "physical": True}).encode()
    request = urllib.request.Request(f"{plane.etcd_url}/v3/kv/compaction", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    plane.start_api_server()


async def test_an_informer_outlives_its_server(machines: Machines, watched: tuple[Informer, Seen]) -> None:
    """Killed and started again: backoff, then on from where it was."""
    informer, seen = watched
    await create(machines, "before")
    await eventually(lambda: "before" in seen.names)
    machines.plane.processes["kube-apiserver"].kill()
    machines.plane.start_api_server()
    await eventually(lambda: informer.watches > 1)
    await create(machines, "after")
    await eventually(lambda: "after" in seen.names)
    assert seen.names == {"kept", "lost", "before", "after"}
