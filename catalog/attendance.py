"""Who is connected to any gateway of the metastore: listed for a workspace, and reached by signals."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from psycopg import AsyncConnection

from catalog import gateways
from catalog.gateways import Gateways
from catalog.principals import Principal
from catalog.sessions import CENSUS_CHANNEL, Census, Sessions, Signals, publish, read_sessions, read_signal

Connection = AbstractAsyncContextManager[AsyncConnection[Any]]


class Attendance:
    """`sessions` are this gateway's own, None where it has none, as a command line.

    `account` and `connect` reach the account's database and a workspace's; `is_open` tells whether a workspace is open
    here, without which nobody is connected to it; `find_principal` gives who asks for a signal, None if dropped.
    """

    def __init__(
        self,
        sessions: Sessions | None,
        every: Gateways,
        account: Callable[[], Connection],
        connect: Callable[[str], Connection],
        is_open: Callable[[str], bool],
        find_principal: Callable[[str], Principal | None],
    ) -> None:
        self._sessions = sessions
        self._every = every
        self._connect = connect
        self._is_open = is_open
        self._find_principal = find_principal
        self._signals = Signals(connect)
        self._census = None if sessions is None else Census(sessions.replica, account, self._publish)

    @property
    def channels(self) -> Mapping[str, Callable[[str], None]]:
        """Of the account's database: what is heard there."""
        heard = {gateways.CHANNEL: self._every.notice}
        return heard if self._census is None else {**heard, CENSUS_CHANNEL: self._census.hear}

    async def close(self) -> None:
        """Ends what is under way, before the databases are closed."""
        if self._census is not None:
            await self._census.close()
        await self._signals.close()

    async def list(self, workspace: str) -> list[dict[str, Any]]:
        """The rows of pg_stat_activity for all gateways' sessions in a workspace, which is open."""
        assert self._census is not None, "a gateway with sessions"
        assert self._sessions is not None, "it takes a census of them"
        others = await self._every.living() - {self._sessions.replica}
        if not others:
            return self._sessions.describe(workspace)
        await self._census.take(workspace, others)
        async with self._connect(workspace) as connection:
            return self._sessions.describe(workspace) + await read_sessions(connection, others)

    def send_signal(self, workspace: str, payload: str) -> None:
        """Has the gateway whose session a signal names hear of it."""
        self._signals.send(workspace, payload)

    def receive_signal(self, payload: str) -> None:
        """A notification of a workspace's database."""
        signal = read_signal(payload)
        if signal is not None and self._sessions is not None:
            self._sessions.signal(signal, self._find_principal(signal.asker))

    async def _publish(self, workspace: str) -> None:
        if self._sessions is not None and self._is_open(workspace):
            activities, living = self._sessions.describe(workspace), await self._every.living()
            async with self._connect(workspace) as connection:
                await publish(connection, self._sessions.replica, activities, living)
