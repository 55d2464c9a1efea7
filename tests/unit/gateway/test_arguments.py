"""Values of the session as an engine's parameters: the moment of the transaction in the types that are asked for."""

from datetime import UTC, date, datetime

import pytest

from catalog.errors import FeatureNotSupported
from catalog.types import Oid, PgType
from gateway.arguments import engine_parameters
from planner.plan import Lane, Parameter, Query, SessionValue

NOW = datetime(2024, 6, 30, 22, 30, 0, 5, tzinfo=UTC)


def ask(oid: Oid, time_zone: str) -> object:
    parameter = Parameter("p1", PgType(oid), SessionValue.NOW)
    query = Query(Lane.DUCKDB, "test", "SELECT $p1", "SELECT", None, parameters=(parameter,))
    batch = engine_parameters(query, None, {SessionValue.NOW: NOW}, time_zone)
    assert batch is not None
    return batch.column(0)[0].as_py()


def test_a_date_and_a_local_timestamp_are_those_of_the_sessions_time_zone() -> None:
    assert ask(Oid.DATE, "UTC") == date(2024, 6, 30)
    assert ask(Oid.DATE, "Europe/Berlin") == date(2024, 7, 1)
    assert ask(Oid.TIMESTAMP, "Europe/Berlin") == datetime(2024, 7, 1, 0, 30, 0, 5)
    assert ask(Oid.TIMESTAMPTZ, "Europe/Berlin") == NOW


def test_a_zone_without_a_name_is_refused() -> None:
    with pytest.raises(FeatureNotSupported):
        ask(Oid.DATE, "<+05>-05")


def test_every_seed_is_another() -> None:
    """Two in one statement, and the same statement's next time."""
    places = tuple(Parameter(name, PgType(Oid.INT8), SessionValue.SEED) for name in ("p1", "p2"))
    query = Query(Lane.SPARK, "test", "SELECT rand(:p1), rand(:p2)", "SELECT", None, parameters=places)
    batches = [engine_parameters(query, None, {}, "UTC") for _ in range(2)]
    drawn = [column[0].as_py() for batch in batches if batch is not None for column in batch.columns]
    assert len(set(drawn)) == 4
