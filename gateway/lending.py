"""How a session comes by its machines: what it asks the pool for, and what its client hears of the wait.

They are the user's, whatever role she acts as: it is she whom sizes, priorities and fair turns are about.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, SuccessfulCompletion
from gateway.leases import describe_wait

if TYPE_CHECKING:
    from compute.events import Place, Priority
    from compute.lease import Lease
    from gateway.services import Services
    from gateway.session import Session


class Lending:
    """One session's. `warehouse` is the size that its client has asked for, None where declared ones count."""

    def __init__(self, session: Session, services: Services, warehouse: str | None) -> None:
        self._session = session
        self._services = services
        self._warehouse = warehouse

    def preference(self, engine: str) -> tuple[str, Priority]:
        """Size and priority; an empty size is the default one."""
        session, declaration = self._session, self._services.declaration
        return declaration.preference(engine, session.workspace, session.user.name, self._warehouse)

    async def acquire(self, engine: str) -> Lease:
        """A machine of the pool's. Raises FeatureNotSupported where there are none, and what `Pool.lease` raises."""
        if engine not in self._services.engines:
            raise FeatureNotSupported(
                f"the statement needs {engine}, of which this gateway has no machines",
                hint="an operator gives it some: --executors, --spark-master, --spark-remote or --max-spark-machines; "
                "in the chart machines.spark.executors",
            )
        session = self._session
        size, priority = self.preference(engine)
        tell = functools.partial(self._tell_wait, engine)
        lease = await self._services.pool.lease(
            engine, workspace=session.workspace, principal=session.user.name, size=size, priority=priority, tell=tell
        )
        if lease.woken_seconds is not None:
            told = f"compute was asleep: a {engine} machine started in {lease.woken_seconds:.2f} s"
            session.inform(SuccessfulCompletion(told))
        return lease

    def _tell_wait(self, engine: str, place: Place) -> None:
        self._session.inform(SuccessfulCompletion(describe_wait(engine, place)))
        self._session.hurry()
