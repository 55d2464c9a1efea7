"""Many sessions do what comes into their mind, on few backends; each sees its own settings, rows and state only."""

import asyncio
import random

import pytest

from catalog.errors import SqlError
from gateway.relay import Relay, RelayLimits, RelaySession
from tests.conformance.relay.conftest import Relays
from tests.conformance.relay.reading import fetch, query, value

ZONES = ("UTC", "Asia/Tokyo", "Europe/Rome", "America/Lima")
STEPS = 40


class User:
    """One session and what it must see."""

    def __init__(self, relay: Relay, name: str, choice: random.Random) -> None:
        self.session: RelaySession = relay.open("alice", "lake")
        self.name = name
        self.choice = choice
        self.variables: dict[str, str] = {}
        self.has_table = False

    async def live(self) -> None:
        for _ in range(STEPS):
            step = self.choice.choice(
                (
                    self.read,
                    self.read,
                    self.set,
                    self.fail,
                    self.suspend,
                    self.fail_late,
                    self.leave,
                    self.interrupt,
                    self.block,
                    self.table,
                )
            )
            await step()
        await self.session.close()

    async def read(self) -> None:
        token = self.choice.randrange(10**6)
        expected, acting = self.variables.get("timezone", "UTC"), self.variables.get("role", "alice")
        sql = "SELECT $1::int, current_setting('timezone'), current_user, to_regclass($2) IS NOT NULL"
        rows = await query(self.session, sql, (str(token).encode(), self.name.encode()), self.variables)
        assert rows == [(str(token).encode(), expected.encode(), acting.encode(), b"t" if self.has_table else b"f")]

    async def set(self) -> None:
        zone = self.choice.choice(ZONES)
        if self.choice.random() < 0.5:
            assert await self.session.set_variable("timezone", zone, self.variables) == zone
        self.variables = {**self.variables, "timezone": zone}
        if self.choice.random() < 0.3:
            self.variables = {}
        if self.choice.random() < 0.3:
            self.variables = {**self.variables, "role": self.choice.choice(("alice", "analysts"))}

    async def fail(self) -> None:
        with pytest.raises(SqlError, match="division by zero"):
            await query(self.session, "SELECT 1/0", variables=self.variables)

    async def suspend(self) -> None:
        """Reads a part, runs something else, and reads on or not."""
        portal = await self.session.execute("SELECT generate_series(1, 9)", (), (), (), (), self.variables, max_rows=4)
        assert len(await fetch(portal)) == 4
        await self.read()
        if self.choice.random() < 0.5:
            assert await fetch(portal, 2) == [(b"5",), (b"6",)]
        await portal.close()

    async def fail_late(self) -> None:
        """Reads a part, in a transaction that fails then."""
        sql = "SELECT 1 / (n - 6) FROM generate_series(1, 9) n"
        portal = await self.session.execute(sql, (), (), (), (), self.variables, max_rows=4)
        assert len(await fetch(portal)) == 4
        with pytest.raises(SqlError, match="division by zero"):
            await fetch(portal, 0)

    async def leave(self) -> None:
        """Reads a part of much and goes away."""
        sql = "SELECT generate_series(1, 3000000)"
        portal = await self.session.execute(sql, (), (), (), (), self.variables)
        await anext(portal.fetch())
        await portal.close()

    async def interrupt(self) -> None:
        task = asyncio.create_task(query(self.session, "SELECT pg_sleep(100)", variables=self.variables))
        for _ in range(self.choice.randrange(1, 6)):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def block(self) -> None:
        await self.session.begin()
        first = await value(self.session, "SELECT now()", self.variables)
        await self.read()
        assert await value(self.session, "SELECT now()", self.variables) == first
        if self.choice.random() < 0.3:
            await self.fail()
            await self.session.end(commit=False)
        else:
            await self.session.end(commit=self.choice.random() < 0.5)

    async def table(self) -> None:
        """The user's own, whatever the role."""
        own = {name: value for name, value in self.variables.items() if name != "role"}
        if self.has_table:
            await query(self.session, f"DROP TABLE {self.name}", variables=own)
        else:
            await query(self.session, f"CREATE TEMP TABLE {self.name} (a int)", variables=own)
        self.has_table = not self.has_table
        assert self.session.holds_state is self.has_table


@pytest.mark.parametrize("seed", range(2))
async def test_history(relays: Relays, seed: int) -> None:
    relay = relays(RelayLimits(backends_per_role=5, backends_reserved=0, statements=6, buffered_bytes=10_000))
    users = [User(relay, f"own_{number}", random.Random(100 * seed + number)) for number in range(5)]
    async with asyncio.TaskGroup() as group:
        for user in users:
            group.create_task(user.live())
