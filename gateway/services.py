"""What a session is given: what all of a gateway share, and what it may by how its client came."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from catalog.catalog import Catalog
from compute.pool import Pool
from gateway.config import Declaration, Limits
from gateway.cycles import Learned
from gateway.relay import Relay
from gateway.relay.caches import RecentlyUsed
from gateway.reserve import Reserve
from gateway.settings import Verdicts
from gateway.storage import Storage
from gateway.writers import Writers
from planner.plan import Metadata

_MOST_REMEMBERED = 2 << 20
"""Bytes of the statements that are known to be PostgreSQL's to answer."""
_MOST_LEARNED = 64 << 20
"""Bytes of cycles and what is known of their answers: beside thousands of sessions some kilobytes each."""


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions of a gateway share. `engines` are those that it has machines of. `trees`: Spark machines have
    no files of their own (`gateway.trees`). `relayed`: the plans of late for what PostgreSQL answers, by everything
    that they depend on. `learned`: see `gateway.cycles`."""

    catalog: Catalog
    relay: Relay
    pool: Pool
    limits: Limits
    declaration: Declaration
    verdicts: Verdicts
    writers: Writers
    storage: Storage
    reserve: Reserve
    engines: AbstractSet[str]
    trees: bool = False
    relayed: RecentlyUsed[Metadata] = field(default_factory=lambda: RecentlyUsed(_MOST_REMEMBERED))
    learned: Learned = field(default_factory=lambda: RecentlyUsed(_MOST_LEARNED))


@dataclass(frozen=True, slots=True)
class Admission:
    """What a session may by how its client came. `warehouse`: on machines of that size, None where declared ones do."""

    warehouse: str | None = None
    read_only: bool = False


ANYTHING = Admission()
