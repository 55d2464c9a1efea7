"""CancelRequests: carried out here, or handed on to the gateway whose session they mean.

A request is handed on once, sealed, to the address that the session's gateway has registered, which answers there
whether the key was right. To a client nobody answers: it cannot tell a right key from a wrong one. Each address has a
number of wrong keys that it may try; only a signed key is looked at beyond that.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from gateway.activity import Activity
from gateway.keys import SHORT, Keyring
from gateway.replica import Replica

log = logging.getLogger(__name__)

RIGHT, WRONG = b"Y", b"N"
"""What one gateway tells another."""
FAILURES = 10
"""Wrong keys that an address may try at once."""
FORGIVEN_SECONDS = 6.0
"""After so long it may try one more."""
_MOST_ADDRESSES = 4096
_MOST_HANDED_ON = 64
_HAND_ON_SECONDS = 10.0


class Failures:
    """Wrong keys by address. Bounded: the address that was seen longest ago is forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def too_many(self, address: str) -> bool:
        return self._count(address) > FAILURES - 1

    def add(self, address: str) -> None:
        self._spent[address] = self._count(address) + 1, self._clock()
        self._spent.move_to_end(address)
        if len(self._spent) > _MOST_ADDRESSES:
            self._spent.popitem(last=False)

    def _count(self, address: str) -> float:
        count, since = self._spent.get(address, (0.0, 0.0))
        return max(0.0, count - (self._clock() - since) / FORGIVEN_SECONDS)


class Cancels:
    """What a listener does with CancelRequests."""

    def __init__(self, activity: Activity, keyring: Keyring, replica: Replica) -> None:
        self._activity = activity
        self._keyring = keyring
        self._replica = replica
        self._failures = Failures(asyncio.get_running_loop().time)
        self._turns = asyncio.Semaphore(_MOST_HANDED_ON)

    async def receive(self, pid: int, secret: bytes, peer: Any) -> bytes:
        """Returns when it was carried out or dropped, with the answer: only to another gateway there is one."""
        handed_on = self._keyring.unseal(pid, secret)
        if handed_on is not None:
            return RIGHT if self._activity.cancel(pid, handed_on) else WRONG
        address = str(peer[0]) if peer else ""
        place = self._keyring.locate(pid, secret)
        if place is None or (len(secret) == SHORT and self._failures.too_many(address)):
            return b""
        if pid in self._activity or self._keyring.is_own(place):
            right = self._activity.cancel(pid, secret)
        else:
            right = await self._hand_on(place.replica, place.number, pid, secret)
        if not right:
            self._failures.add(address)
        return b""

    async def _hand_on(self, replica: str | None, number: int, pid: int, secret: bytes) -> bool:
        """Whether the other gateway found the key right."""
        try:
            async with asyncio.timeout(_HAND_ON_SECONDS), self._turns:
                return await self._replica.hand_on(replica, number, pid, self._keyring.seal(pid, secret)) == RIGHT
        except (OSError, TimeoutError) as error:
            log.warning("a cancel request did not reach gateway %d: %s", number, error or type(error).__name__)
            return False
