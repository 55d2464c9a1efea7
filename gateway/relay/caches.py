"""What the sessions of a gateway share: descriptions, and the memo of answers. Both are bounded in bytes.

Keys hold everything that an answer can depend on: role, workspace, text, types and values, formats, the settings that
matter, the catalog's version and the temp-schema epoch. So nothing is ever removed because it is wrong, only because it
is old.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")
ENTRY_BYTES = 500
"""What an entry costs beside its own bytes, roughly."""


class RecentlyUsed(Generic[V]):
    """A mapping that forgets what was not used for longest."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Hashable) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def keep(self, key: Hashable, value: V, size: int) -> None:
        """`size` is what key and value hold, in bytes. What is larger than the whole bound is not kept."""
        size += ENTRY_BYTES
        if size > self._most:
            return
        if key in self._entries:
            self._bytes -= self._entries.pop(key)[1]
        self._entries[key] = (value, size)
        self._bytes += size
        while self._bytes > self._most:
            self._bytes -= self._entries.popitem(last=False)[1][1]
