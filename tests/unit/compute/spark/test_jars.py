"""The pinned jars: a list with sums, checked before anything starts."""

import hashlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from compute.spark import ivy, jars, java
from compute.spark.installation import NotSetUp, find_installation

CONTENT = b"not really a jar"
JAR = jars.Jar("org.example", "thing", "1.0", hashlib.sha256(CONTENT).hexdigest())


def test_the_list_pins_delta_by_sum_and_nothing_that_pyspark_has() -> None:
    pinned = jars.pinned_jars()
    assert pinned[0].file_name == "delta-spark_4.2_2.13-4.4.0.jar"
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in pinned)
    shipped = {path.name.rpartition("-")[0] for path in java.pyspark_jars().glob("*.jar")}
    assert not shipped & {jar.name for jar in pinned}


def test_a_right_sum_is_taken_and_a_wrong_one_named(tmp_path: Path) -> None:
    (tmp_path / JAR.file_name).write_bytes(CONTENT)
    assert jars.verify(tmp_path, (JAR,)) == []
    wrong = replace(JAR, sha256="0" * 64)
    (problem,) = jars.verify(tmp_path, (wrong,))
    assert JAR.sha256 in problem
    assert wrong.sha256 in problem


def test_a_missing_jar_is_named(tmp_path: Path) -> None:
    assert jars.verify(tmp_path, (JAR,)) == ["thing-1.0.jar is missing"]


def test_other_sums_are_kept_in_another_folder(tmp_path: Path) -> None:
    other = replace(JAR, sha256="0" * 64)
    assert jars.jar_folder(tmp_path, (JAR,)) != jars.jar_folder(tmp_path, (other,))


def test_a_jar_that_was_changed_is_refused_at_the_start(tmp_path: Path) -> None:
    folder = jars.jar_folder(tmp_path, jars.pinned_jars())
    folder.mkdir()
    for jar in jars.pinned_jars():
        (folder / jar.file_name).write_bytes(CONTENT)
    with pytest.raises(NotSetUp, match="the list says"):
        find_installation(tmp_path)


def test_an_empty_cache_says_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match=r"python -m compute\.spark\.setup"):
        find_installation(tmp_path)


def test_fetching_what_differs_from_the_list_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver(work: Path, wanted: tuple[jars.Jar, ...], fetched: object) -> None:
        (work / "jars").mkdir()
        (work / "jars" / wanted[0].file_name).write_bytes(b"something else")

    monkeypatch.setattr(ivy, "_retrieve", deliver)
    with pytest.raises(ivy.JarError, match="SHA-256"):
        ivy.fetch_jars(tmp_path, (JAR,), lambda: None)
    assert list(tmp_path.iterdir()) == []


def test_the_module_descriptor_asks_for_each_jar_alone() -> None:
    classified = replace(JAR, classifier="linux-x86_64")
    module = ElementTree.fromstring(ivy.module_descriptor((JAR, classified)))
    plain, special = module.findall("dependencies/dependency")
    assert plain.attrib == {"org": "org.example", "name": "thing", "rev": "1.0", "transitive": "false"}
    assert list(special[0].attrib.values()) == ["thing", "jar", "jar", "linux-x86_64"]
    assert classified.file_name == "thing-1.0-linux-x86_64.jar"


def test_the_systems_authorities_become_a_trust_store(tmp_path: Path) -> None:
    flags = ivy.write_trust_store(tmp_path / "authorities.p12")
    assert flags[0] == f"-Djavax.net.ssl.trustStore={tmp_path}/authorities.p12"
    assert (tmp_path / "authorities.p12").stat().st_size > 1000
