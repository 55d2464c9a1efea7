"""What a VMM says of its memory: kept to, and hostile."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.spawners.firecracker.pager.mappings import MappingError, Region, parse_mappings

PAGE = 4096
SIZE = 16 * PAGE
GOOD = {"base_host_virt_addr": 0x7F0000000000, "size": SIZE, "offset": 0, "page_size": PAGE}


def test_regions_come_by_address() -> None:
    upper = {**GOOD, "size": 8 * PAGE, "offset": 8 * PAGE, "page_size_kib": PAGE}
    lower = {**GOOD, "base_host_virt_addr": 0x7E0000000000, "size": 8 * PAGE}
    regions = parse_mappings(json.dumps([upper, lower]).encode(), SIZE)
    assert regions == [
        Region(0x7E0000000000, 8 * PAGE, 0, PAGE),
        Region(0x7F0000000000, 8 * PAGE, 8 * PAGE, PAGE),
    ]


@pytest.mark.parametrize(
    "mappings",
    [
        {},
        [],
        [GOOD, GOOD],
        [GOOD] * 65,
        [{}],
        [7],
        [{**GOOD, "size": 0}],
        [{**GOOD, "size": SIZE + PAGE}],
        [{**GOOD, "offset": PAGE}],
        [{**GOOD, "offset": -PAGE}],
        [{**GOOD, "size": 100}],
        [{**GOOD, "base_host_virt_addr": 1}],
        [{**GOOD, "base_host_virt_addr": (1 << 63) - PAGE}],
        [{**GOOD, "base_host_virt_addr": 1 << 70}],
        [{**GOOD, "page_size": 1}],
        [{**GOOD, "page_size": True}],
        [{**GOOD, "size": 4096.0}],
        [{**GOOD, "size": "4096"}],
    ],
)
def test_what_is_not_understood_is_refused(mappings: Any) -> None:
    with pytest.raises(MappingError):
        parse_mappings(json.dumps(mappings).encode(), SIZE)


@given(st.binary(max_size=200))
def test_garbage_is_refused(message: bytes) -> None:
    with pytest.raises(MappingError):
        parse_mappings(message, SIZE)


@given(st.lists(st.fixed_dictionaries({name: st.integers(0, 20).map(lambda pages: pages * PAGE) for name in GOOD})))
def test_what_is_taken_lies_in_the_file(mappings: list[dict[str, int]]) -> None:
    entries = [{**mapping, "page_size": PAGE} for mapping in mappings]
    try:
        regions = parse_mappings(json.dumps(entries).encode(), SIZE)
    except MappingError:
        return
    assert all(region.size > 0 and region.offset + region.size <= SIZE for region in regions)
    assert sum(region.size for region in regions) == sum(entry["size"] for entry in entries)
