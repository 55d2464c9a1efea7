"""Folders of tables: one spelling each, no way out of the warehouse."""

import pytest

from catalog.errors import InvalidParameterValue
from catalog.locations import fresh_location, is_below, normalize_location
from catalog.names import TableName


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("/a/b", "/a/b"),
        ("/a//b/", "/a/b"),
        ("/a/./b", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket//a", "s3://bucket/a"),
    ],
)
def test_spellings(given: str, normal: str) -> None:
    assert normalize_location(given) == normal


@pytest.mark.parametrize("given", ["", "a/b", "/a/../b", "s3://bucket/../other", "/a\0b", "s3://", "file://"])
def test_refused(given: str) -> None:
    with pytest.raises(InvalidParameterValue):
        normalize_location(given)


def test_below_is_by_folder() -> None:
    assert is_below("/a/b", "/a")
    assert not is_below("/ab", "/a")
    assert not is_below("/a", "/a")


def test_fresh_locations_differ_and_stay_inside() -> None:
    table = TableName("../up", "a/b\u00e9")
    first, second = (fresh_location("/lake", "demo", table) for _ in range(2))
    assert first != second
    assert first.startswith("/lake/demo/___up/a_b_-")
    assert normalize_location(first) == first
