"""Reaps what gateways that are dead have left: their pods, then their Lease, with which the rest goes."""

import asyncio
import logging
from typing import TYPE_CHECKING

from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import Api, Refused
from compute.spawners.kubernetes.heartbeat import GATEWAY, LABEL, Neighbours
from compute.spawners.kubernetes.manifests import leases_path, pods_path

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)


class Sweep:
    """Looks every `pause_seconds`, for as long as it runs."""

    def __init__(self, api: Api, namespace: str, gateway: str, pause_seconds: float) -> None:
        self._api = api
        self._namespace = namespace
        self._gateway = gateway
        self._pause_seconds = pause_seconds
        self._neighbours = Neighbours()
        self._alive: Collection[str] = ()

    async def run(self) -> None:
        while True:
            try:
                await self.once()
            except (Refused, OSError) as error:
                log.warning("what dead gateways left is not swept: %s", error)
            await asyncio.sleep(self._pause_seconds)

    async def once(self) -> None:
        """Pods are looked at before Leases: a gateway has its Lease before its first pod. Raises Refused, OSError."""
        selector = ownership.others_selector([*self._alive, self._gateway])
        pods = (await self._api.list(pods_path(self._namespace), labelSelector=selector))["items"]
        leases = (await self._api.list(leases_path(self._namespace), labelSelector=f"{LABEL}={GATEWAY}"))["items"]
        self._alive = self._neighbours.observe(leases)
        spared = {*self._alive, self._gateway}
        orphans = [pod for pod in pods if pod["metadata"]["labels"][ownership.GATEWAY] not in spared]
        for pod in orphans:
            await self._delete(pods_path(self._namespace, pod["metadata"]["name"]), pod["metadata"]["resourceVersion"])
        for lease in leases:
            if lease["metadata"]["labels"][ownership.GATEWAY] not in spared:
                path = leases_path(self._namespace, lease["metadata"]["name"])
                await self._delete(path, lease["metadata"]["resourceVersion"])

    async def _delete(self, path: str, version: str) -> None:
        """Whoever showed life or was faster in the meantime is left alone."""
        try:
            await self._api.delete(path, grace_seconds=0, unless_changed=version)
            log.info("deleted %s, which a dead gateway left", path)
        except Refused as refused:
            if not refused.conflicts:
                raise
