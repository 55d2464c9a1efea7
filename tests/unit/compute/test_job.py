"""A job's JARs, as they are offered to its machine and as it takes them."""

from pathlib import Path

import fsspec
import pytest

from catalog.errors import ObjectNotInPrerequisiteState
from compute.engines.job.jars import fetch_jars, with_jars
from compute.job import MOST_JAR_BYTES, digest_of, jar_scan
from compute.spark.jvm import JvmOptions


@pytest.fixture
def jars(tmp_path: Path) -> tuple[Path, Path]:
    own, other = tmp_path / "job" / "app.jar", tmp_path / "more" / "library.jar"
    for path in (own, other):
        path.parent.mkdir()
        path.write_bytes(path.name.encode())
    return own, other


def test_exactly_the_jars_are_offered(jars: tuple[Path, Path], tmp_path: Path) -> None:
    scan = jar_scan(jars)
    assert scan.location == str(tmp_path)
    assert [(file.path, file.size) for file in scan.files] == [(str(jar), len(jar.name)) for jar in jars]


def test_there_is_a_bound(jars: tuple[Path, Path]) -> None:
    with jars[1].open("r+b") as file:
        file.truncate(MOST_JAR_BYTES)
    with pytest.raises(ValueError, match="may have 1024 MiB together"):
        jar_scan(jars)


def test_a_machine_names_them_itself(jars: tuple[Path, Path], tmp_path: Path) -> None:
    copies = fetch_jars([jar_scan(jars)], fsspec.filesystem("file"), tmp_path / "jars")
    assert copies == [str(tmp_path / "jars" / name) for name in ("0.jar", "1.jar")]
    assert [digest_of(Path(copy)) for copy in copies] == [digest_of(jar) for jar in jars]


def test_one_that_has_gone_is_an_error_of_the_job(jars: tuple[Path, Path], tmp_path: Path) -> None:
    scan = jar_scan(jars)
    jars[1].unlink()
    with pytest.raises(ObjectNotInPrerequisiteState, match=r"JARs could not be read.*library\.jar"):
        fetch_jars([scan], fsspec.filesystem("file"), tmp_path / "jars")


def test_driver_and_executors_have_them_beside_their_own(tmp_path: Path) -> None:
    options = JvmOptions(Path("java"), ("spark.jar",), {"spark.jars": "delta.jar"}, tmp_path, heap_bytes=1)
    given = with_jars(options, ["app.jar"])
    assert given.class_path == ("spark.jar", "app.jar")
    assert given.settings["spark.jars"] == "delta.jar,app.jar"
