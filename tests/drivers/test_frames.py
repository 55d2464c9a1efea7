"""Programs that read whole results into Arrow or data frames: ADBC, ConnectorX, polars, pandas."""

from typing import Any, Literal

import adbc_driver_postgresql.dbapi as adbc
import connectorx
import pandas
import polars
import pyarrow as pa
import pytest
from adbc_driver_postgresql import StatementOptions
from sqlalchemy import create_engine

from tests import samples
from tests.alike import asked_of_both
from tests.target import Target

pytestmark = pytest.mark.driver

ORDERS = """
SELECT o_orderkey, o_orderstatus, o_totalprice, o_orderdate, o_comment
FROM tpch.orders WHERE o_orderkey < 20000 ORDER BY 1
"""
EVERY_TYPE = "SELECT * FROM sample.every_type ORDER BY id"


def through_adbc(target: Target, query: str, *parameters: Any, copies: bool = True) -> pa.Table:
    """As Arrow: by COPY, which is its default, or by the extended protocol in binary."""
    with adbc.connect(target.url(sslmode=target.sslmode)) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: str(copies).lower()})
        cursor.execute(query, parameters or None)
        return cursor.fetch_arrow_table()


@pytest.mark.parametrize("copies", [True, False], ids=["COPY", "extended"])
@pytest.mark.parametrize("query", [ORDERS, EVERY_TYPE], ids=["orders", "every type"])
def test_adbc(oracle: Target, gateway: Target, query: str, *, copies: bool) -> None:
    table = asked_of_both(oracle, gateway, lambda target: through_adbc(target, query, copies=copies))
    assert table.num_rows >= len(samples.ROWS)


def test_adbc_binds(oracle: Target, gateway: Target) -> None:
    query = "SELECT n_name FROM tpch.nation WHERE n_nationkey = $1 OR n_name = $2 ORDER BY 1"
    table = asked_of_both(oracle, gateway, lambda target: through_adbc(target, query, 7, "PERU", copies=False))
    assert table.column(0).to_pylist() == ["GERMANY", "PERU"]


def test_adbc_metadata(bare_oracle: Target, gateway: Target) -> None:
    def ask(target: Target) -> Any:
        with adbc.connect(target.url(sslmode=target.sslmode)) as connection:
            objects = connection.adbc_get_objects(db_schema_filter="tpch", catalog_filter=target.database)
            schema = connection.adbc_get_table_schema("every_type", db_schema_filter="sample")
            [catalog] = objects.read_all().to_pylist()
            tables = {one["table_name"]: one for one in catalog["catalog_db_schemas"][0]["db_schema_tables"]}
            return tables, schema

    tables, schema = asked_of_both(bare_oracle, gateway, ask)
    assert len(tables) == 8
    assert schema.names == samples.SCHEMA.names


@pytest.mark.parametrize("protocol", ["binary", "cursor", "simple"])
def test_connectorx(oracle: Target, gateway: Target, protocol: Literal["binary", "cursor", "simple"]) -> None:
    def ask(target: Target) -> pa.Table:
        url = target.url(sslmode=target.sslmode)
        return connectorx.read_sql(url, ORDERS, protocol=protocol, return_type="arrow")

    assert asked_of_both(oracle, gateway, ask).num_rows > 4000


def test_connectorx_in_partitions(oracle: Target, gateway: Target) -> None:
    """Its own two connections ask for the least and greatest key, then each for half of the rows."""

    def ask(target: Target) -> list[tuple[Any, ...]]:
        found = connectorx.read_sql(
            target.url(sslmode=target.sslmode),
            "SELECT o_orderkey, o_totalprice FROM tpch.orders WHERE o_orderkey < 2000",
            protocol="cursor",
            partition_on="o_orderkey",
            partition_num=2,
            return_type="arrow",
        )
        return sorted(zip(*(column.to_pylist() for column in found.columns), strict=True))

    assert len(asked_of_both(oracle, gateway, ask)) > 400


@pytest.mark.parametrize("query", [ORDERS, EVERY_TYPE], ids=["orders", "every type"])
def test_polars(oracle: Target, gateway: Target, query: str) -> None:
    def ask(target: Target) -> Any:
        with target.connect(options="-c timezone=UTC") as connection:
            frame = polars.read_database(query, connection, infer_schema_length=None)
        return frame.schema, frame.rows()

    schema, rows = asked_of_both(oracle, gateway, ask)
    assert len(rows) >= len(samples.ROWS)
    assert len(schema) in (5, len(samples.SCHEMA))


def test_pandas(oracle: Target, gateway: Target) -> None:
    def ask(target: Target) -> Any:
        url = target.url("postgresql+psycopg", sslmode=target.sslmode, options="-ctimezone=UTC")
        engine = create_engine(url, use_native_hstore=False)
        frame = pandas.read_sql(ORDERS, engine)
        engine.dispose()
        return [str(type_) for type_ in frame.dtypes], frame.map(repr).to_numpy().tolist()

    types, _ = asked_of_both(oracle, gateway, ask)
    assert len(types) == 5
