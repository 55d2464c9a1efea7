"""Caches that are bounded in bytes."""

from gateway.relay.caches import ENTRY_BYTES, RecentlyUsed


def test_cache_forgets_what_was_not_used_for_longest() -> None:
    cache = RecentlyUsed[int](3 * ENTRY_BYTES)
    for key in range(3):
        cache.keep(key, key, 0)
    assert cache.find(0) == 0
    cache.keep(3, 3, 0)
    assert [cache.find(key) for key in range(4)] == [0, None, 2, 3]


def test_cache_counts_bytes() -> None:
    cache = RecentlyUsed[str](4 * ENTRY_BYTES)
    cache.keep("small", "x", 1)
    cache.keep("big", "y", 3 * ENTRY_BYTES)
    assert (cache.find("small"), cache.find("big")) == (None, "y")
    cache.keep("big", "z", 0)
    cache.keep("too big", "", 4 * ENTRY_BYTES)
    assert cache.find("too big") is None
    assert cache.find("big") == "z"
    assert len(cache) == 1
