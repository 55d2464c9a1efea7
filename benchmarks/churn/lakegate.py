"""Lakegate: leases of a pool whose machines are pods, taken and given back as fast as they come."""

import asyncio
import base64
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.churn.lives import ENGINE, Lives, Order
from compute.config import MachineSpec, PoolConfig
from compute.pool import Pool
from compute.spawners import Machine
from compute.spawners.kubernetes.api import Api
from compute.spawners.kubernetes.config import GUEST_PORT, KubernetesConfig
from compute.spawners.kubernetes.machine import PodMachine
from compute.spawners.kubernetes.manifests import secret_name, secrets_path
from compute.spawners.kubernetes.spawner import KubernetesSpawner

PAUSE_SECONDS = 0.002
WAIT_SECONDS = 600.0


@asynccontextmanager
async def lakegate(order: Order) -> AsyncIterator[Callable[[], Awaitable[Lives]]]:
    """No machine is kept warm: every lease is the birth and the death of a pod."""
    config = KubernetesConfig(order.namespace, order.gateway, "lakegate-guest:bench", order.kubeconfig)
    spawner = TimedSpawner(config)
    engine = replace(ENGINE, max_machines=order.at_once)
    pool = Pool(spawner, PoolConfig((engine,), WAIT_SECONDS), lambda _workspace: "/")
    try:
        await pool.start()
        async with _guests(config, order.folder):
            yield lambda: _churn(pool, spawner, order)
    finally:
        await pool.close()


class TimedSpawner(KubernetesSpawner):
    """Notes how long each part of a pod's life took."""

    def __init__(self, config: KubernetesConfig) -> None:
        super().__init__(config)
        self.lives = Lives()

    async def start(self, spec: MachineSpec) -> Machine:
        begun = time.perf_counter()
        machine = await super().start(spec)
        self.lives.starts.append(time.perf_counter() - begun)
        return machine

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        begun = time.perf_counter()
        await super().stop(machine, now=now)
        self.lives.recycles.append(time.perf_counter() - begun)

    async def _claim(self, machine: PodMachine) -> bool:
        begun = time.perf_counter()
        held = await super()._claim(machine)
        self.lives.claims.append(time.perf_counter() - begun)
        return held


async def _churn(pool: Pool, spawner: TimedSpawner, order: Order) -> Lives:
    spawner.lives = Lives()
    numbers = order.lives()
    await asyncio.gather(*(_lease(pool, numbers) for _ in range(order.at_once)))
    while pool.count(ENGINE.engine).total():  # noqa: ASYNC110 (the pool tells nobody)
        await asyncio.sleep(PAUSE_SECONDS)
    return spawner.lives


async def _lease(pool: Pool, numbers: Iterator[int]) -> None:
    for _ in numbers:
        lease = await pool.lease(ENGINE.engine, workspace="bench", principal="bench")
        await lease.release()


@asynccontextmanager
async def _guests(config: KubernetesConfig, folder: Path) -> AsyncIterator[None]:
    """With the certificate that the spawner has left for its guests."""
    api = await Api.connect(config.kubeconfig)
    try:
        secret = await api.read(secrets_path(config.namespace, secret_name(config.gateway, "guest")))
    finally:
        await api.close()
    for name, content in secret["data"].items():
        (folder / name).write_bytes(base64.b64decode(content))
    command = (sys.executable, "-m", "benchmarks.churn.guests", str(folder))
    guests = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert guests.stdout is not None
        if not await guests.stdout.readline():
            raise RuntimeError(f"something else on this host listens on port {GUEST_PORT}")
        yield
    finally:
        with suppress(ProcessLookupError):
            guests.kill()
        await guests.wait()
