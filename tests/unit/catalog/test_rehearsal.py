"""Which reads of a log are rehearsed: `NOTHING` fails whenever it is run."""

from pathlib import Path

from catalog.checkpoint import make_checkpoint
from catalog.logfiles import LOG, LogFile
from catalog.owner import find_owner
from catalog.rehearsal import MOST_LIGHT_BYTES, rehearse
from catalog.replay import commit_name
from tests.lakes import local_log, write_table

OPENING = "catalog.opening"
NOTHING = "catalog.nothing"


def test_a_checkpoint_is_tried_until_it_is_known(tmp_path: Path) -> None:
    table = Path(write_table(tmp_path / "t", {"id": [1]}))
    log, read = local_log(table), ("known", tmp_path)
    make_checkpoint(log, 0, find_owner(table))
    assert "catalog.nothing" in str(rehearse(read, log.list_files(), NOTHING))
    assert rehearse(read, log.list_files(), OPENING, table) is None
    write_table(table, {"id": [2]}, mode="append")
    assert rehearse(read, log.list_files(), NOTHING) is None
    make_checkpoint(log, 1, find_owner(table))
    assert rehearse(read, log.list_files(), NOTHING) is not None
    assert rehearse(read, log.list_files(), OPENING, table) is None


def test_what_takes_a_files_place_is_tried(tmp_path: Path) -> None:
    table = Path(write_table(tmp_path / "t", {"id": [1]}))
    log, read = local_log(table), ("replaced", tmp_path)
    make_checkpoint(log, 0, find_owner(table))
    assert rehearse(read, log.list_files(), OPENING, table) is None
    (checkpoint,) = (table / LOG).glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes())
    assert rehearse(read, log.list_files(), NOTHING) is not None


def test_a_failure_is_known_as_long_as_the_log_is_the_same(tmp_path: Path) -> None:
    table = Path(write_table(tmp_path / "t", {"id": [1]}))
    log, read = local_log(table), ("failing", tmp_path)
    (table / LOG / f"{1:020}.checkpoint.parquet").write_bytes(b"none")
    failure = rehearse(read, log.list_files(), OPENING, table)
    assert "DeltaError" in str(failure)
    assert rehearse(read, log.list_files(), NOTHING) == failure
    write_table(tmp_path / "other", {"id": [1]})
    assert rehearse(read, local_log(tmp_path / "other").list_files(), OPENING, tmp_path / "other") is None


def test_few_bytes_of_commits_are_not_tried() -> None:
    few = [LogFile(commit_name(version), MOST_LIGHT_BYTES // 2, version, 0) for version in range(2)]
    assert rehearse("few", few, NOTHING) is None
    assert rehearse("few", [*few, LogFile(commit_name(2), 1, 2, 0)], NOTHING) is not None
