"""Which reads of a log are rehearsed: `NOTHING` fails whenever it is run."""

from pathlib import Path

import pytest

from catalog.checkpoint import make_checkpoint
from catalog.confined import Unfinished
from catalog.excerpt import Excerpt, Piece, read_excerpt, read_news
from catalog.logfiles import LOG, commit_name
from catalog.owner import find_owner
from catalog.rehearsal import LEAST_ACTION_BYTES, MOST_LIGHT_BYTES, admits_news, rehearse
from tests.lakes import local_log, write_table

OPENING = "catalog.opening"
NOTHING = "catalog.nothing"
CHECKPOINT = f"{1:020}.checkpoint.parquet"


def rehearsed(table: Path, module: str, *, grows: bool = False) -> str | None:
    """What comes of it, under the table's name."""
    with read_excerpt(local_log(table)) as excerpt:
        return rehearse(table, excerpt, module, excerpt.log.location, grows=grows)


def is_tried(table: Path, *, grows: bool = False) -> bool:
    try:
        return rehearsed(table, NOTHING, grows=grows) is not None
    except Unfinished:
        return True


def table_with_checkpoint(folder: Path) -> Path:
    table = Path(write_table(folder, {"id": [1]}))
    make_checkpoint(local_log(table), 0, find_owner(table))
    return table


def commits(*sizes: int) -> Excerpt:
    """Of which nobody reads a byte."""
    pieces = [Piece(commit_name(version), size, bytes([version])) for version, size in enumerate(sizes)]
    return Excerpt(local_log(Path("/nowhere")), pieces)


@pytest.mark.parametrize("grows", [False, True])
def test_a_checkpoint_is_tried_until_it_is_known(tmp_path: Path, grows: bool) -> None:
    """What takes columns times files of memory also when a few bytes more come: few of either may come to much."""
    table = table_with_checkpoint(tmp_path / "t")
    assert is_tried(table, grows=grows)
    assert rehearsed(table, OPENING, grows=grows) is None
    assert not is_tried(table, grows=grows)
    write_table(table, {"id": [2]}, mode="append")
    assert is_tried(table, grows=grows) != grows
    make_checkpoint(local_log(table), 1, find_owner(table))
    assert is_tried(table, grows=grows)


def test_what_takes_a_files_place_is_tried_and_equal_bytes_are_not(tmp_path: Path) -> None:
    table, other = (table_with_checkpoint(tmp_path / name) for name in ("t", "other"))
    assert rehearsed(table, OPENING) is None
    checkpoint, another = (next((each / LOG).glob("*.checkpoint.parquet")) for each in (table, other))
    checkpoint.write_bytes(checkpoint.read_bytes())
    assert not is_tried(table)
    checkpoint.write_bytes(another.read_bytes())
    assert is_tried(table)


def test_a_failure_is_known_as_long_as_the_log_is_the_same(tmp_path: Path) -> None:
    table = Path(write_table(tmp_path / "t", {"id": [1]}))
    (table / LOG / CHECKPOINT).write_bytes(b"none")
    failure = rehearsed(table, OPENING)
    assert "DeltaError" in str(failure)
    assert "lakegate-log" not in str(failure)
    assert rehearsed(table, NOTHING) == failure
    assert rehearsed(Path(write_table(tmp_path / "other", {"id": [1]})), OPENING) is None


def test_few_bytes_of_commits_are_not_tried() -> None:
    few = commits(MOST_LIGHT_BYTES // 2, MOST_LIGHT_BYTES // 2)
    assert rehearse("few", few, NOTHING) is None
    with pytest.raises(Unfinished, match=r"catalog\.nothing"):
        rehearse("few", commits(MOST_LIGHT_BYTES // 2, MOST_LIGHT_BYTES // 2, 1), NOTHING)


@pytest.mark.parametrize(
    ("line", "files", "columns", "admitted"),
    [
        (b"{}", 200_000, 100, True),
        (b"{}", 100, 200_000, False),
        (b'{"metaData":{}}', 100, 100, True),
        (b'{"metaData":{}}', 200_000, 100, False),
        (b'{"met\\u0061Data":{}}', 200_000, 100, False),
    ],
)
def test_news_of_a_log_are_tried_where_columns_times_files_may_be_many(
    tmp_path: Path, line: bytes, files: int, columns: int, admitted: bool
) -> None:
    table = Path(write_table(tmp_path / "t", {"id": [1]}))
    (table / LOG / commit_name(1)).write_bytes(line.ljust(LEAST_ACTION_BYTES * 50))
    with read_news(local_log(table), 0, str(tmp_path / "news")) as news:
        assert [piece.name for piece in news.pieces] == [commit_name(1)]
        assert admits_news(news, files, columns, files * columns) == admitted


def test_news_are_tried_once_they_have_come_to_much_in_steps(tmp_path: Path) -> None:
    table, files, columns = Path(write_table(tmp_path / "t", {"id": [1]})), 100, 10_000
    (table / LOG / commit_name(1)).write_bytes(b"{}".ljust(LEAST_ACTION_BYTES * 100))
    with read_news(local_log(table), 0, str(tmp_path / "news")) as news:
        steps = [admits_news(news, files + 100 * step, columns, files * columns) for step in range(6)]
    assert steps == [True, True, True, True, False, False]
