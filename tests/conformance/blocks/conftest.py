"""The table that blocks write: made for each test, and nothing of a block is left after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blocks import open_blocks, table_folder, things
from tests.target import Target


@pytest.fixture
def table(gateway: Target) -> Iterator[Path]:
    with things(gateway):
        yield table_folder(gateway)
    assert open_blocks(gateway) == []
