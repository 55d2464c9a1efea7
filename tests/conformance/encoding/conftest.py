"""A real PostgreSQL as the oracle of bytes: what it sends for a value, in text and binary."""

from collections.abc import Iterator

import pytest

from tests.conformance.encoding.oracle import Oracle
from tests.fix_oracle import running_postgres


@pytest.fixture(scope="session")
def byte_oracle() -> Iterator[Oracle]:
    with running_postgres() as target, target.connect() as connection:
        yield Oracle(connection)
