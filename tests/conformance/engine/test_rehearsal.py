"""A template's rehearsal is one that a pool's statements could be: an engine that reads nothing fails it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.engines import Engine, EngineOptions, open_engine
from compute.guest.filesystem import ChannelFiles
from compute.guest.machine import Guest, Understudy
from compute.guest.rehearsal import rehearse


@pytest.fixture
def files() -> ChannelFiles:
    return ChannelFiles()


@pytest.fixture
def engine(files: ChannelFiles, tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine("duckdb", EngineOptions(1, 128 << 20, str(tmp_path), files=files))
    yield opened
    opened.close()


def understudy(engine: Engine, files: ChannelFiles | None, scratch: Path) -> Understudy:
    guest = Guest(engine, lambda _identity, _folders: None, str(scratch), files, remote=True)
    guest.bind_ahead()
    return Understudy(guest)


def test_an_engine_rehearses_before_and_after_its_template_is_saved(
    engine: Engine, files: ChannelFiles, tmp_path: Path
) -> None:
    double = understudy(engine, files, tmp_path)
    rehearse(double)
    rehearse(Understudy(double))


def test_an_engine_that_cannot_read_fails(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the rehearsal failed"):
        rehearse(understudy(engine, None, tmp_path))
