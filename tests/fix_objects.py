"""An object store with tables in it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from tests.objectstore.server import Store, running_store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="session")
def stored_lineitem(store: Store, lake: Mapping[TableName, Path]) -> str:
    """The location of TPC-H's largest table there."""
    return store.upload(lake[TableName("tpch", "lineitem")], "tpch/lineitem")
