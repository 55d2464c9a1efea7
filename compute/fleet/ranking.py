"""Keys in order of a rank that changes: timers by their moment, workspaces by their share."""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

SLACK = 64
Key = TypeVar("Key", bound=Hashable)


class Ranking(Generic[Key]):
    """Least rank first, then least key. A heap whose stale entries are dropped when they are met."""

    __slots__ = ("_heap", "_ranks")

    def __init__(self) -> None:
        self._ranks: dict[Key, Any] = {}
        self._heap: list[tuple[Any, Key]] = []

    def __len__(self) -> int:
        return len(self._ranks)

    def __contains__(self, key: Key) -> bool:
        return key in self._ranks

    def rank(self, key: Key) -> Any:
        """None for a key that is not in it."""
        return self._ranks.get(key)

    def put(self, key: Key, rank: Any) -> None:
        """Adds the key, or moves it. Ranks compare with each other, and so do keys of equal rank."""
        ranks = self._ranks
        if key in ranks and ranks[key] == rank:
            return
        ranks[key] = rank
        heappush(self._heap, (rank, key))
        if len(self._heap) > SLACK + 2 * len(ranks):
            self._heap = [(rank, key) for key, rank in ranks.items()]
            heapify(self._heap)

    def drop(self, key: Key) -> None:
        self._ranks.pop(key, None)

    def head(self) -> tuple[Any, Key] | None:
        """The least rank and its key."""
        heap, ranks = self._heap, self._ranks
        while heap:
            rank, key = heap[0]
            if key in ranks and ranks[key] == rank:
                return heap[0]
            heappop(heap)
        return None
