"""Files found by their paths: what a folder holds, and that nothing else is there."""

from catalog.scans import DataFile
from compute.guest.tree import Tree, TreeFile

FILES = ("/a/t/_delta_log/0.json", "/a/t/1.parquet", "/a/other/1.parquet", "/top")


def test_folders_hold_their_files_and_folders() -> None:
    tree = Tree([DataFile(path, 10 + number, (), number) for number, path in enumerate(FILES)])
    assert tree.children("/") == {"a": None, "top": TreeFile(3, 13, 3)}
    assert tree.children("/a") == {"t": None, "other": None}
    assert tree.children("/a/t") == {"_delta_log": None, "1.parquet": TreeFile(1, 11, 1)}
    assert tree.find("/a/t/_delta_log/0.json") == TreeFile(0, 10, 0)


def test_nothing_else_is_there() -> None:
    tree = Tree([DataFile("/a/t/1.parquet", 1, ())])
    assert tree.children("/a/t/1.parquet") is tree.children("/b") is tree.children("") is None
    assert tree.find("/a/t") is tree.find("/a/t/2.parquet") is None
    assert Tree(()).children("/") is None
