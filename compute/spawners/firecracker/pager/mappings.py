"""What a VMM says of its memory when it hands over its userfaultfd: JSON, from a peer that may be hostile."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MAX_MESSAGE = 64 << 10
MAX_REGIONS = 64
PAGE_SIZES = (4096, 2 << 20)


class MappingError(Exception):
    """The VMM described no memory that could be this template's."""


@dataclass(frozen=True, slots=True)
class Region:
    """`size` bytes of the VMM at `address` are those of the memory file from `offset` on."""

    address: int
    size: int
    offset: int
    page_size: int

    @property
    def end(self) -> int:
        return self.address + self.size


def parse_mappings(message: bytes, memory_bytes: int) -> Sequence[Region]:
    """The regions, by address. They lie within the file, are whole pages and don't overlap. Raises MappingError."""
    try:
        entries = json.loads(message)
    except ValueError as error:
        raise MappingError("the mappings are not JSON") from error
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_REGIONS:
        raise MappingError(f"the mappings are not a list of 1 to {MAX_REGIONS}")
    regions = sorted((_parse_region(entry, memory_bytes) for entry in entries), key=lambda region: region.address)
    if any(before.end > after.address for before, after in pairwise(regions)):
        raise MappingError("mappings overlap")
    return regions


def _parse_region(entry: Any, memory_bytes: int) -> Region:
    names = ("base_host_virt_addr", "size", "offset", "page_size")
    values: list[Any] = [entry.get(name) for name in names] if isinstance(entry, dict) else []
    if len(values) != len(names) or not all(type(value) is int and 0 <= value < 1 << 63 for value in values):
        raise MappingError(f"a mapping needs whole numbers {', '.join(names)}")
    region = Region(*values)
    if region.page_size not in PAGE_SIZES:
        raise MappingError(f"pages of {region.page_size} bytes")
    if any(value % region.page_size for value in (region.address, region.size, region.offset)) or not region.size:
        raise MappingError("a mapping is not of whole pages")
    if region.offset + region.size > memory_bytes or region.end >= 1 << 63:
        raise MappingError("a mapping lies beyond the memory file")
    return region
