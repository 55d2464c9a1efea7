"""The channel's pairs in the cluster: two Secrets that our Lease owns, and that go with it.

They are looked after for as long as the gateway lives. A gateway that others took for dead finds its Lease gone, and
its Secrets with it or about to go, since the cluster's garbage collector follows. A pair that nears its end gets a
successor, and guests that started before keep the one that they have: they are spoken to by it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compute.spawners.kubernetes.api import Api, Refused
from compute.spawners.kubernetes.channel import Pair, client_context, make_pairs
from compute.spawners.kubernetes.manifests import channel_secret, secret_name, secrets_path

if TYPE_CHECKING:
    import ssl

    from compute.spawners.kubernetes.config import KubernetesConfig
    from compute.spawners.kubernetes.heartbeat import Heartbeat

log = logging.getLogger(__name__)


class Pairs:
    """`contexts` are how guests are spoken to: by the newest pair, or else by the one before."""

    def __init__(self, api: Api, config: "KubernetesConfig", heartbeat: "Heartbeat") -> None:
        self._api = api
        self._config = config
        self._heartbeat = heartbeat
        self._owner = ""
        self._pair: Pair | None = None
        self.contexts: Sequence[ssl.SSLContext] = ()

    async def keep(self) -> None:
        """Both Secrets are there afterwards, are our Lease's and last: those that an earlier instance left with its
        guests, or new ones. Raises Refused, OSError."""
        owner = self._heartbeat.uid
        if self._pair is not None and self._owner == owner and self._pair.lasts():
            return
        left = await self._left() if self._pair is None and self._heartbeat.inherits else None
        pair = left or await self._replace()
        self._pair, self._owner = pair, owner
        self.contexts = (client_context(pair), *self.contexts[:1])

    async def _replace(self) -> Pair:
        """Puts a new pair into the cluster; ours of it."""
        guests, ours = await asyncio.to_thread(make_pairs)
        for holder, pair in (("guest", guests), ("gateway", ours)):
            await self._put(channel_secret(self._config, holder, pair, self._heartbeat.reference))
        return ours

    async def _left(self) -> Pair | None:
        """A name that is new has left none, and perhaps no right to look."""
        path = secrets_path(self._config.namespace, secret_name(self._config.gateway, "gateway"))
        try:
            secret = await self._api.read(path)
            owners = [owner["uid"] for owner in secret["metadata"].get("ownerReferences", [])]
            pair = Pair.parse(secret["data"])
            if owners == [self._heartbeat.uid] and pair.lasts():
                return pair
        except (KeyError, ValueError):
            log.warning("the channel's certificates are malformed and are made anew")
        except Refused as refused:
            if not refused.is_absent:
                raise
        return None

    async def _put(self, manifest: Mapping[str, Any]) -> None:
        """Creates it, or replaces what is there of that name, which the garbage collector may take in between."""
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        while True:
            try:
                await self._api.create(secrets_path(namespace), manifest)
            except Refused as refused:
                if not refused.conflicts:
                    raise
            else:
                return
            try:
                await self._api.replace(secrets_path(namespace, name), manifest)
            except Refused as refused:
                if not refused.is_absent:
                    raise
            else:
                return
