"""Two gateways that share a metastore and the tables, and a balancer before them."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from catalog.names import TableName
from tests.balancer import balanced
from tests.fix_gateway import lake_folder, running_gateway
from tests.fix_oracle import running_postgres
from tests.target import Target


@dataclass(frozen=True, slots=True)
class Replicas:
    """`balancer` leads to `first` and `second` in turn; `metastore` is PostgreSQL as its superuser."""

    first: Target
    second: Target
    balancer: Target
    metastore: Target

    @property
    def pids(self) -> tuple[int, int]:
        """Of the two gateways' processes."""
        assert self.first.pid is not None
        assert self.second.pid is not None
        return self.first.pid, self.second.pid


@contextmanager
def running_replicas(lake: Mapping[TableName, Path]) -> Iterator[Replicas]:
    """Starts all of it; leaving ends it."""
    password = secrets.token_urlsafe()
    with running_postgres() as metastore:
        dsn = make_conninfo(**{**metastore.keywords, "sslmode": "disable"})
        settings = {"LAKEGATE_METASTORE_DSN": dsn}
        with (
            lake_folder(lake, password, metastore_dsn=dsn) as data,
            running_gateway(data, password, settings=settings) as first,
            running_gateway(data, password, settings=settings) as second,
            balanced((first.port, second.port)) as port,
        ):
            yield Replicas(first, second, replace(first, port=port), metastore)


@pytest.fixture(scope="session")
def replicas(lake: Mapping[TableName, Path]) -> Iterator[Replicas]:
    """The two with the tables under test."""
    with running_replicas(lake) as both:
        yield both
