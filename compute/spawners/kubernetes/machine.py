"""A pod as a machine, and connections to its guest.

The claim travels beside the identity: both are sent at once, and READY counts only when both are answered. A pod that
is leaving keeps its running statement; an idle connection to it closes, so that the session's next statement takes
another lease.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from compute.connection import Connection, machine_lost
from compute.spawners.kubernetes.api import Object
from compute.spawners.kubernetes.channel import GUEST as GUEST_NAME
from compute.spawners.kubernetes.config import GUEST_PORT
from compute.spawners.kubernetes.manifests import DRAIN_SECONDS, GUEST
from compute.transport import Frame, Kind

HANDSHAKE_SECONDS = 10.0
KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
"""Seconds, and tries: a node that went without a word is noticed, although nothing is sent to it."""
LISTEN_PAUSE_SECONDS = 0.02
LISTEN_SECONDS = 120.0
KILLED = -9
UNPLACED_SECONDS = 5.0
"""How long a pod that has to come to one node waits for room there: who leaves it is a moment longer in the
scheduler's books than in the fleet's."""
HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerError", "RunContainerError"})
"""Reasons for which a container waits and will wait for ever."""
log = logging.getLogger(__name__)

Claim = Callable[["PodMachine"], Coroutine[None, None, bool]]


class PodMachine:
    """`running` is settled when the guest's container runs, `ended` when the pod is over.

    `leaving` is settled with the time by which it is over, as `Transient` has it.

    `contexts` tells how it may be spoken to, the likeliest first: by the channel's pair, or the one before it, which a
    pod that started earlier has. `claim` tells whether the pod is ours to use from now on; `vacate` is called once when
    a leaving machine has nobody left. One that `is_pinned` has to come to one node: where the scheduler finds no room
    for it there, it is over, while others wait for an autoscaler.
    """

    def __init__(
        self,
        name: str,
        contexts: Callable[[], Sequence[ssl.SSLContext]],
        claim: Claim,
        vacate: Callable[["PodMachine"], None],
        *,
        is_pinned: bool = False,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.address = ""
        self.leaving: asyncio.Future[float] = loop.create_future()
        self._dismissed = False
        self.running: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.waits_for = "its pod has not been scheduled"
        self._contexts = contexts
        self._is_pinned = is_pinned
        self._patience: asyncio.TimerHandle | None = None
        self._claim = claim
        self._claiming: asyncio.Task[bool] | None = None
        self._vacate = vacate
        self._connections: set[PodConnection] = set()

    @property
    def claimed(self) -> bool:
        return self._claiming is not None

    @property
    def is_closing(self) -> bool:
        """Whether it takes nobody any more."""
        return self._dismissed or self.leaving.done()

    async def connect(self) -> Connection:
        """Raises OSError. A container that runs does not listen yet: the first refusals are waited out."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LISTEN_SECONDS
        while True:
            if self.is_closing or self.ended.done():
                raise ConnectionRefusedError(f"{self.name} is leaving or gone")
            try:
                return await self._connect()
            except ConnectionRefusedError:
                if loop.time() > deadline:
                    raise
            await asyncio.sleep(LISTEN_PAUSE_SECONDS)

    async def _connect(self) -> "PodConnection":
        *others, last = self._contexts()
        for context in others:
            with suppress(ssl.SSLCertVerificationError):
                return await self._shake_hands(context)
        return await self._shake_hands(last)

    async def _shake_hands(self, context: ssl.SSLContext) -> "PodConnection":
        """A guest whose certificate that pair's authority has not signed is turned away before it sees ours."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: PodConnection(self),
            self.address,
            GUEST_PORT,
            ssl=context,
            server_hostname=GUEST_NAME,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        return connection

    async def started(self) -> None:
        """Returns once the guest's container runs, or the pod is over."""
        over: list[asyncio.Future[Any]] = [self.running, self.ended]
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)

    def claim(self) -> "asyncio.Task[bool]":
        """The one claim of this machine: begun with the first identity that is sent to it. Whether it holds."""
        if self._claiming is None:
            self._claiming = asyncio.ensure_future(self._claim(self))
        return self._claiming

    def leave(self, reason: str) -> None:
        """Nobody new comes; who is idle goes; what runs may end. Idempotent."""
        if self.is_closing or self.ended.done():
            return
        log.info("%s is leaving: %s", self.name, reason)
        self.leaving.set_result(time.monotonic() + DRAIN_SECONDS)
        for connection in list(self._connections):
            connection.leave()
        self._vacate_if_empty()

    def dismiss(self) -> None:
        """It is ours to end, and is about to."""
        self._dismissed = True

    def end(self, status: int) -> None:
        """The pod is over. Idempotent."""
        if self.ended.done():
            return
        self.ended.set_result(status)
        for connection in list(self._connections):
            connection.abort()

    def joined(self, connection: "PodConnection") -> None:
        self._connections.add(connection)

    def left(self, connection: "PodConnection") -> None:
        self._connections.discard(connection)
        self._vacate_if_empty()

    def _vacate_if_empty(self) -> None:
        if self.leaving.done() and not self._connections and not self.ended.done():
            self._vacate(self)

    def observe(self, pod: Object) -> None:
        """What the API server tells of the pod."""
        status = pod.get("status", {})
        self.address = status.get("podIP", "")
        state = _guest_state(status)
        if "terminated" in state:
            self.end(KILLED if self._dismissed else state["terminated"]["exitCode"])
        elif status.get("phase") in ("Succeeded", "Failed"):
            self.waits_for = str(status.get("message") or status.get("reason") or "its pod failed")
            self.end(KILLED)
        elif "running" in state and self.address and not self.running.done():
            self.running.set_result(None)
        else:
            self._note_waiting(status, state)
        if "nodeName" in pod["spec"] and self._patience is not None:
            self._patience.cancel()
        if "deletionTimestamp" in pod["metadata"] or _is_disrupted(status):
            self.leave("its pod is being deleted or evicted")

    def _note_waiting(self, status: Any, state: Any) -> None:
        waiting = state.get("waiting", {})
        unmet = [c for c in status.get("conditions", []) if c["type"] == "PodScheduled" and c["status"] == "False"]
        told = waiting.get("message") or waiting.get("reason") or next((c.get("message") for c in unmet), None)
        self.waits_for = str(told or self.waits_for)
        if waiting.get("reason") in HOPELESS:
            self.end(KILLED)
        if self._is_pinned and self._patience is None and any(c.get("reason") == "Unschedulable" for c in unmet):
            self._patience = asyncio.get_running_loop().call_later(UNPLACED_SECONDS, self.end, KILLED)


class PodConnection(Connection):
    """Knows whether a statement runs, and lets none be sent before the claim holds."""

    def __init__(self, machine: PodMachine) -> None:
        super().__init__()
        self._machine = machine
        self._busy = False
        self._claim: asyncio.Task[bool] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if (connection := transport.get_extra_info("socket")) is not None:
            for option, value in KEEPALIVE.items():
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._machine.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._machine.left(self)

    def send(self, frame: Frame) -> None:
        """Raises MachineLost."""
        if frame.kind is Kind.IDENTITY:
            self._claim = self._machine.claim()
        self._busy = self._busy or frame.kind in (Kind.IDENTITY, Kind.EXECUTE, Kind.DESCRIBE, Kind.STATS)
        super().send(frame)

    async def receive(self) -> Frame:
        """Raises MachineLost."""
        frame = await super().receive()
        if frame.kind is Kind.READY and self._claim is not None and not await asyncio.shield(self._claim):
            self.abort()
            raise machine_lost()
        if frame.kind in (Kind.READY, Kind.DONE, Kind.ERROR, Kind.STATS):
            self._busy = False
            if self._machine.is_closing:
                self.abort()
        return frame

    def leave(self) -> None:
        """Ends the connection, unless somebody still waits for an answer."""
        if not self._busy:
            self.abort()


def _guest_state(status: Any) -> Any:
    for container in status.get("containerStatuses", []):
        if container["name"] == GUEST:
            return container.get("state", {})
    return {}


def _is_disrupted(status: Any) -> bool:
    """Set by whoever evicts, preempts or taints, before the pod goes."""
    conditions = status.get("conditions", [])
    return any(c["type"] == "DisruptionTarget" and c["status"] == "True" for c in conditions)
