"""The relay of a gateway: its backends and what its sessions share."""

import itertools
from collections.abc import Awaitable, Callable

from catalog.endpoint import Endpoint
from gateway.relay.answers import RelayAnswer, RelayDescription
from gateway.relay.backend import Identity
from gateway.relay.caches import RecentlyUsed
from gateway.relay.limits import RelayLimits
from gateway.relay.pool import Pool
from gateway.relay.session import RelaySession, Shared


class Relay:
    """One a gateway. `endpoint_of(role, workspace)` tells how a role logs in, `version_of` the catalog's version."""

    def __init__(
        self,
        endpoint_of: Callable[[str, str], Awaitable[Endpoint]],
        limits: RelayLimits,
        version_of: Callable[[str], int],
    ) -> None:
        self._pool = Pool(endpoint_of, limits)
        self._shared = Shared(
            pool=self._pool,
            limits=limits,
            version_of=version_of,
            descriptions=RecentlyUsed[RelayDescription](limits.description_cache_bytes),
            memo=RecentlyUsed[RelayAnswer](limits.memo_bytes),
            new_epoch=itertools.count(1).__next__,
        )

    def open(self, role: str, workspace: str) -> RelaySession:
        """A session's way to PostgreSQL as `role`. Nothing is connected before its first statement."""
        return RelaySession(Identity(role, workspace), self._shared)

    async def close(self) -> None:
        """Closes every backend; sessions fail from then on."""
        await self._pool.close()
