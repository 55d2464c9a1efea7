"""What nobody expected of a spawner or of its server costs one start, not the place of a machine for ever."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from catalog.errors import InsufficientResources
from compute.config import MachineSpec, PoolConfig
from compute.pool import Pool
from compute.spawners import Machine
from compute.spawners.kubernetes.api import Api
from compute.spawners.kubernetes.informer import Change, Informer
from compute.spawners.process import ProcessSpawner
from tests.fix_cluster import eventually
from tests.fix_compute import WAIT_SECONDS, ask, duckdb_config

NODES = "/api/v1/nodes"
PAGE = "<html>Please log in</html>"
NODE = {"metadata": {"name": "a", "uid": "1", "resourceVersion": "7"}}
LIST = json.dumps({"metadata": {"resourceVersion": "7"}, "items": [NODE]})


class Surprising(ProcessSpawner):
    """Its first starts fail in a way that nobody knows."""

    failing = True

    async def start(self, spec: MachineSpec) -> Machine:
        """Raises ValueError."""
        if self.failing:
            raise ValueError("a surprise")
        return await super().start(spec)


async def test_a_start_that_fails_unexpectedly_has_failed(warehouse: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who waits is told, by the id that the log has; the next start finds its place free."""
    config = duckdb_config(max_machines=1, warm_machines=0)
    spawner = Surprising(templates=[config.spec])
    pool = Pool(spawner, PoolConfig((config,), wait_seconds=WAIT_SECONDS), lambda _workspace: str(warehouse))
    try:
        await pool.start()
        with caplog.at_level(logging.ERROR), pytest.raises(InsufficientResources) as caught:
            await pool.lease("duckdb", workspace="demo", principal="ada")
        assert caught.value.detail is not None
        assert caught.value.detail.startswith("internal error ")
        [said] = [each for each in caplog.records if caught.value.detail in each.getMessage()]
        assert said.exc_info is not None
        spawner.failing = False
        await eventually(lambda: answers(pool))
    finally:
        await pool.close()


async def answers(pool: Pool) -> bool:
    """False while the pool still takes its spawner to be broken."""
    try:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
    except InsufficientResources:
        return False
    return await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


@asynccontextmanager
async def answering(folder: Path, *answers: str) -> AsyncIterator[Api]:
    """A client of a server that answers one request after the other with these, and in the end with the last, always
    with status 200."""
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        content = left.pop(0) if len(left) > 1 else left[0]
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write((head + content).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(configuration(f"http://{host}:{port}")))
        api = await Api.connect(kubeconfig)
        try:
            yield api
        finally:
            await api.close()


def configuration(url: str) -> dict[str, object]:
    named = {"cluster": {"server": url}, "user": {}, "context": {"cluster": "c", "user": "c"}}
    lists = {f"{kind}s": [{"name": "c", kind: value}] for kind, value in named.items()}
    return {"apiVersion": "v1", "kind": "Config", "current-context": "c", **lists}


@pytest.mark.parametrize("content", [PAGE, "[]", '"ok"', ""])
async def test_a_proxys_page_is_no_answer(tmp_path: Path, content: str) -> None:
    """It is as if none had come: whoever asks again does so as after any fault of the network."""
    async with answering(tmp_path, content) as api:
        with pytest.raises(OSError, match="no API server has answered"):
            await api.list(NODES)


@pytest.mark.parametrize("line", [PAGE, "[]", "{}"])
async def test_a_watch_that_brings_no_events(tmp_path: Path, line: str) -> None:
    async with answering(tmp_path, line + "\n") as api:
        with pytest.raises(OSError, match="the watch broke"):
            await anext(api.watch(NODES, timeoutSeconds="60"))


async def test_an_informer_outlives_what_it_does_not_understand(tmp_path: Path) -> None:
    """Pages, objects that are no events, lists without their fields; then it goes on where it was."""
    seen: list[Change] = []
    gone = json.dumps({"type": "DELETED", "object": NODE}) + "\n"
    odd = [PAGE, '{"type": "ADDED", "object": {}}\n', "{}", LIST, gone]
    async with answering(tmp_path, LIST, *odd) as api:
        informer = Informer(api, NODES, seen.append)
        await informer.start()
        await eventually(lambda: [change.kind for change in seen][:3] == ["seen", "seen", "gone"])
        await informer.stop()
