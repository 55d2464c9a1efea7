"""The bare client: three requests a pod's life over the HTTP library that Lakegate uses, and one watch for all."""

import asyncio
import json
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
import orjson

from benchmarks.churn.lives import ENGINE, Lives, Order
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import LONGEST_EVENT, Api
from compute.spawners.kubernetes.config import KubernetesConfig
from compute.spawners.kubernetes.heartbeat import Heartbeat
from compute.spawners.kubernetes.manifests import guest_pod, pods_path
from compute.spawners.kubernetes.spawner import GRACE_SECONDS

INSTANCE = "bare"
HOURS = 3600.0
CONFLICT = 409
"""The namespace's quota was counted by somebody else at the same time: nothing was done."""
PAUSE_SECONDS = 0.02
OPTIONS = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": GRACE_SECONDS}


@asynccontextmanager
async def bare(order: Order) -> AsyncIterator[Callable[[], Awaitable[Lives]]]:
    """Its pods belong to a Lease object, as a gateway's do: the cluster's collector has the same work."""
    api = await Api.connect(order.kubeconfig)
    owner = Heartbeat(api, order.namespace, order.gateway, INSTANCE, HOURS)
    await owner.begin()
    kubeconfig = json.loads(order.kubeconfig.read_text())
    cluster = kubeconfig["clusters"][0]["cluster"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    headers = {"Authorization": f"Bearer {kubeconfig['users'][0]['user']['token']}"}
    async with aiohttp.ClientSession(
        cluster["server"],
        headers=headers,
        connector=aiohttp.TCPConnector(ssl=context),
        timeout=aiohttp.ClientTimeout(),
        read_bufsize=LONGEST_EVENT,
    ) as session:
        client = _Client(session, order, owner.reference)
        watching = asyncio.create_task(client.watch())
        try:
            yield client.churn
        finally:
            watching.cancel()
            await owner.end()
            await api.close()


class _Client:
    def __init__(self, session: aiohttp.ClientSession, order: Order, owner: Mapping[str, Any]) -> None:
        self._session = session
        self._order = order
        self._owner = owner
        self._config = KubernetesConfig(order.namespace, order.gateway, "lakegate-guest:bench")
        self._labels = ownership.labels(order.gateway, INSTANCE, ownership.template_key(ENGINE.spec, self._config))
        self._running: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._gone: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._numbers = count()

    async def watch(self) -> None:
        """As long as it is let. The server ends a watch that it finds slow; the next goes on from there."""
        path = pods_path(self._order.namespace)
        query = {"watch": "true", "labelSelector": ownership.selector(self._order.gateway)}
        while True:
            async with self._session.get(path, params=query) as answer:
                async for line in answer.content:
                    event = orjson.loads(line)
                    query["resourceVersion"] = event["object"]["metadata"]["resourceVersion"]
                    self._note(event["type"], event["object"])

    def _note(self, kind: str, pod: Any) -> None:
        name = pod["metadata"]["name"]
        if kind == "DELETED":
            self._gone[name].set()
        elif pod["status"].get("phase") == "Running":
            self._running[name].set()

    async def churn(self) -> Lives:
        lives, numbers = Lives(), self._order.lives()
        await asyncio.gather(*(self._live(numbers, lives) for _ in range(self._order.at_once)))
        return lives

    async def _live(self, numbers: Iterator[int], lives: Lives) -> None:
        for _ in numbers:
            name = f"{self._order.gateway}-{next(self._numbers)}"
            begun = time.perf_counter()
            manifest = guest_pod(self._config, name, ENGINE.spec, self._labels, self._owner)
            await self._ask("POST", "", manifest)
            await self._running[name].wait()
            runs = time.perf_counter()
            await self._ask("PATCH", name, ownership.claim(INSTANCE), "application/json-patch+json")
            claimed = time.perf_counter()
            await self._ask("DELETE", name, OPTIONS)
            await self._gone[name].wait()
            lives.starts.append(runs - begun)
            lives.claims.append(claimed - runs)
            lives.recycles.append(time.perf_counter() - claimed)
            del self._running[name], self._gone[name]

    async def _ask(self, method: str, name: str, body: Any, kind: str = "application/json") -> None:
        headers = {"Content-Type": kind}
        path = pods_path(self._order.namespace, name)
        async with self._session.request(method, path, data=orjson.dumps(body), headers=headers) as answer:
            content = await answer.read()
        if answer.status == CONFLICT:
            await asyncio.sleep(PAUSE_SECONDS)
            await self._ask(method, name, body, kind)
        else:
            assert answer.ok, content
