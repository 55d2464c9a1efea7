"""Folders of tables: one spelling each, no way out of the warehouse."""

import pytest

from catalog.databases import check_workspace_name
from catalog.errors import InvalidName, InvalidParameterValue
from catalog.locations import fresh_location, is_below, normalize_location, root_of, workspace_folder
from catalog.names import TableName
from compute.spawners.kubernetes.config import SparkPods


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


def test_a_workspaces_name_is_one_folders() -> None:
    """Of which its machines see that very one."""
    names = ("my_ws", "my.ws", "my ws", "数据", "财务", "__", "Straße")
    for name in names:
        check_workspace_name(name)
        location = fresh_location("/lake", name, TableName("s", "t"))
        assert root_of(location, "/lake") == workspace_folder("/lake", name)
        assert f"/{SparkPods(folder='lake').folder_of(name)}" == workspace_folder("/lake", name)
        assert normalize_location(location) == location
    assert len({workspace_folder("/lake", name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\0b", "*", "a?", "[a]", "{a,b}", "$(A)", "a%20b", "a:b", "a#b"]
)
def test_names_that_engines_would_not_take_for_a_folders(name: str) -> None:
    with pytest.raises(InvalidName):
        check_workspace_name(name)


def test_where_links_begin_to_matter() -> None:
    assert root_of("/lake/demo/s/t", "/lake") == root_of("/lake/demo", "/lake/") == "/lake/demo"
    assert root_of("/elsewhere/t", "/lake") == "/elsewhere/t"
