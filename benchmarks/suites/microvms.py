"""MicroVMs: from nothing to a first answer and back, beside a bare QEMU that clones the same template; and claims."""

import asyncio
import os
import resource
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial

import uvloop

from benchmarks.compare import Measurement, Round, interleave
from benchmarks.laboratory import Laboratory
from compute.config import EngineConfig, PoolConfig
from compute.guest.channel import Channel
from compute.pool import Pool
from compute.spawners.qemu.command import PROGRAM, Ends, command_line
from compute.spawners.qemu.control import IGNORE_SHARED, LOAD, NEGOTIATE, TAKE_STATE, write_ahead
from compute.spawners.qemu.machine import copy_disk
from compute.spawners.qemu.template import Template
from compute.statement import ScanShelf, Statement, pack_statement
from compute.transport import Frame, Kind
from deploy.guest import host
from deploy.guest.image import build
from gateway.starts import QUESTION, first_answer, percentile, until_spare
from tests.fix_machines import CACHE, MICROVM, make_spawner

STARTS = 50
CLAIMS = 20
REHEARSAL_SECONDS = 4.0
"""An emulated clone goes on warming itself after it is ready; on an idle host it is done long before."""
PAUSE_SECONDS = 0.0005
COLD = replace(MICROVM, warm_machines=0)


def microvms(laboratory: Laboratory) -> Iterator[Measurement]:
    """One machine a round, of either kind in turn, and then claims from a pool that has one waiting."""
    host.require(PROGRAM)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spawner = make_spawner(build(CACHE), COLD)
        pool = Pool(spawner, PoolConfig((COLD,)), lambda _workspace: "/")
        runner.run(pool.start())
        template = runner.run(spawner._template(COLD.spec))
        subjects: Mapping[str, Round] = {
            "lakegate": lambda: runner.run(_start(pool)),
            "bare QEMU": partial(_start_bare, template),
        }
        try:
            for measurement in interleave("microVM start", subjects, STARTS):
                yield measurement
                if "/" not in measurement.subject:
                    yield _worst(measurement)
        finally:
            runner.run(pool.close())
    yield from _measure_claims()


def _worst(measurement: Measurement) -> Measurement:
    """Of the same rounds, the 99th percentile."""
    return replace(measurement, metric=f"p99 {measurement.metric}", value=percentile(measurement.rounds, 0.99))


async def _start(pool: Pool) -> Mapping[str, float]:
    cpu = _children_cpu()
    answered = await first_answer(pool, "duckdb")
    begun = time.perf_counter()
    while pool.count("duckdb").total():  # noqa: ASYNC110 (the pool tells nobody)
        await asyncio.sleep(PAUSE_SECONDS)
    recycled = time.perf_counter() - begun
    return _metrics(answered, recycled, _children_cpu() - cpu)


def _start_bare(template: Template) -> Mapping[str, float]:
    """The least that starts a clone, asks it and kills it: no user of its own, no bounds, no journal, no event loop."""
    cpu, begun = _children_cpu(), time.perf_counter()
    streams = [socket.socketpair() for _ in range(3)]
    ours, theirs = [pair[0] for pair in streams], [pair[1].fileno() for pair in streams]
    memory = f"/proc/self/fd/{template.memory}"
    with open(template.state, "rb") as state, copy_disk(template.disk, tempfile.gettempdir()) as disk:
        write_ahead(ours[2], (NEGOTIATE, IGNORE_SHARED, TAKE_STATE, LOAD), state.fileno())
        ends = Ends(theirs[0], theirs[1], theirs[2], memory=memory, shared=False, disk=disk.fileno())
        command = command_line(template.shape, ends)
        process = subprocess.Popen(command, pass_fds=[*theirs, template.memory, disk.fileno()])
    with closing(Channel(ours[0])) as channel:
        _ask(channel)
    answered = time.perf_counter()
    process.kill()
    process.wait()
    for end in (end for pair in streams for end in pair):
        end.close()
    return _metrics(answered - begun, time.perf_counter() - answered, _children_cpu() - cpu)


def _ask(channel: Channel) -> None:
    identity = {"hostname": "bare", "time_ns": time.time_ns(), "seed": os.urandom(64).hex()}
    channel.send(Frame(Kind.IDENTITY, control=identity | {"workspace": "bench", "warehouse": "/"}))
    channel.receive()
    channel.send(pack_statement(Kind.EXECUTE, 1, Statement(QUESTION), ScanShelf()))
    while (frame := channel.receive()) is not None and frame.kind is not Kind.DONE:
        if frame.kind is Kind.ERROR:
            raise RuntimeError(f"{QUESTION} was answered by {frame.control}")


def _metrics(answered: float, recycled: float, cpu: float) -> Mapping[str, float]:
    return {"first answer ms": answered * 1000, "recycled ms": recycled * 1000, "QEMU CPU ms": cpu * 1000}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measure_claims() -> Iterator[Measurement]:
    seconds = tuple(each * 1000 for each in uvloop.run(_claim_in_turn()))
    for share in (0.5, 0.99):
        metric = f"first answer, p{share * 100:.0f} ms"
        yield Measurement("microVM claim", "lakegate", metric, percentile(seconds, share), seconds)


async def _claim_in_turn() -> list[float]:
    async with _running(replace(MICROVM, warm_machines=1)) as pool:
        seconds = []
        for _ in range(CLAIMS):
            await until_spare(pool, "duckdb")
            await asyncio.sleep(REHEARSAL_SECONDS)
            seconds.append(await first_answer(pool, "duckdb"))
        return seconds


@asynccontextmanager
async def _running(engine: EngineConfig) -> AsyncIterator[Pool]:
    spawner = make_spawner(await asyncio.to_thread(build, CACHE), engine)
    pool = Pool(spawner, PoolConfig((engine,)), lambda _workspace: "/")
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()
