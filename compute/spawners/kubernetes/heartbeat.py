"""A gateway's sign of life, and who gives none: Lease objects of coordination.k8s.io.

A Lease bears the gateway's name, its holder is the instance. Clocks of hosts differ, so another's Lease is dead when
we ourselves have seen it unchanged for its own duration, whatever time it tells.
"""

import datetime
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute.spawners.kubernetes.api import Api, Object, Refused
from compute.spawners.kubernetes.manifests import leases_path

LABEL = "app.kubernetes.io/component"
GATEWAY = "lakegate-gateway"
BEATS = 4
"""Signs of life a duration: some may be late or lost."""


class Superseded(Exception):
    """A later instance of the same gateway lives: what is ours by name is now its."""


class Heartbeat:
    """Our own Lease. `begin`, then `renew` every `pause_seconds`, then `end`."""

    def __init__(self, api: Api, namespace: str, gateway: str, instance: str, seconds: float) -> None:
        self._api = api
        self._namespace = namespace
        self._gateway = gateway
        self._instance = instance
        self._seconds = seconds
        self.pause_seconds = seconds / BEATS
        self.uid = ""
        self.inherits = False
        """Whether the name had been an earlier instance's, which may have left something."""

    @property
    def reference(self) -> Mapping[str, Any]:
        """Makes the Lease the owner of an object: they go together."""
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": self._name, "uid": self.uid}

    async def begin(self) -> None:
        """Takes the name, from an earlier instance too. Raises Refused, OSError."""
        while True:
            try:
                present = await self._api.read(self._path)
            except Refused as refused:
                if not refused.is_absent:
                    raise
                present = None
            try:
                held = await self._take(present)
            except Refused as refused:
                if not refused.conflicts:
                    raise
                continue
            self.uid, self.inherits = held["metadata"]["uid"], present is not None
            return

    async def renew(self) -> None:
        """Raises Superseded, Refused, OSError."""
        operations = [
            {"op": "test", "path": "/spec/holderIdentity", "value": self._instance},
            {"op": "replace", "path": "/spec/renewTime", "value": _now()},
        ]
        try:
            await self._api.patch(self._path, operations)
        except Refused as refused:
            if refused.conflicts:
                raise self._superseded() from refused
            if not refused.is_absent:
                raise
            await self._resume()

    async def _resume(self) -> None:
        """After others took us for dead and our Lease away. Raises Superseded, Refused, OSError."""
        try:
            held = await self._take(None)
        except Refused as refused:
            if refused.conflicts:
                raise self._superseded() from refused
            raise
        self.uid = held["metadata"]["uid"]

    async def end(self) -> None:
        """Gives the name back, unless a later instance has it. Raises Refused, OSError."""
        lease = await self._api.read(self._path)
        if lease["spec"]["holderIdentity"] == self._instance:
            await self._api.delete(self._path, unless_changed=lease["metadata"]["resourceVersion"])

    def _superseded(self) -> Superseded:
        return Superseded(
            f"another gateway has taken the name {self._gateway}, and with it the machines: "
            "give each a name of its own (LAKEGATE_KUBERNETES_GATEWAY)"
        )

    @property
    def _name(self) -> str:
        return f"lakegate-{self._gateway}"

    @property
    def _path(self) -> str:
        return leases_path(self._namespace, self._name)

    async def _take(self, present: Object | None) -> Object:
        manifest = self._manifest()
        if present is None:
            return await self._api.create(leases_path(self._namespace), manifest)
        version = present["metadata"]["resourceVersion"]
        manifest["metadata"]["resourceVersion"] = version
        return await self._api.replace(self._path, manifest)

    def _manifest(self) -> dict[str, Any]:
        now = _now()
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "labels": {LABEL: GATEWAY, "lakegate.dev/gateway": self._gateway},
            },
            "spec": {
                "holderIdentity": self._instance,
                "leaseDurationSeconds": max(1, round(self._seconds)),
                "acquireTime": now,
                "renewTime": now,
            },
        }


@dataclass(frozen=True, slots=True)
class _Seen:
    sign: tuple[str, str]
    since: float


class Neighbours:
    """What we have seen of the gateways' Leases."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def observe(self, leases: Sequence[Object], now: float | None = None) -> Collection[str]:
        """The gateways that live, given all Leases of this moment. `now` is of a monotonic clock."""
        now = time.monotonic() if now is None else now
        seen: dict[str, _Seen] = {}
        alive = []
        for lease in leases:
            name, spec = lease["metadata"]["labels"]["lakegate.dev/gateway"], lease["spec"]
            sign = (spec["holderIdentity"], spec["renewTime"])
            former = self._seen.get(name)
            seen[name] = former if former is not None and former.sign == sign else _Seen(sign, now)
            if now - seen[name].since <= spec["leaseDurationSeconds"]:
                alive.append(name)
        self._seen = seen
        return frozenset(alive)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
