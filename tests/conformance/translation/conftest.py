"""Both engines and a real PostgreSQL holding the same rows, without a gateway between."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from catalog.changes import Privilege
from catalog.deltalog import read_snapshot
from catalog.names import TableName
from catalog.principals import Principal
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Description, PgType, ResultColumn
from planner import Statement, parse, plan
from planner.customs import Customs
from planner.plan import Dialect, Lane, Query, Settings
from tests.fix_oracle import load, running_postgres

if TYPE_CHECKING:
    from catalog.snapshots import Snapshot
    from compute.engines.spark.session import SparkSession

SAMPLES = pa.schema(
    [
        ("id", pa.int32()), ("i2", pa.int16()), ("i4", pa.int32()), ("i8", pa.int64()), ("f4", pa.float32()),
        ("f8", pa.float64()), ("n", pa.decimal128(15, 2)), ("m", pa.decimal128(20, 6)), ("t", pa.string()),
        ("u", pa.string()), ("b", pa.bool_()), ("d", pa.date32()), ("e", pa.date32()), ("ts", pa.timestamp("us")),
        ("tz", pa.timestamp("us", tz="UTC")),
    ]
)  # fmt: skip
ROWS: Sequence[tuple[Any, ...]] = (
    (1, 1, 1, 10, 0.5, 2.5, "2.50", "1.234567", "hello", "he", True, date(2024, 2, 29), date(2024, 1, 1),
     datetime(2024, 2, 29, 10, 11, 12, 500000), datetime(2024, 2, 29, 10, 11, 12, tzinfo=UTC)),
    (2, 2, -7, 3000000000, 1.25, -2.5, "-3.75", "2.500000", " a%b ", "%", False, date(1999, 12, 31), date(2000, 1, 1),
     datetime(1999, 12, 31, 23, 59, 59), datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (3, 5, 3, -5, -1.5, 3.5, "0.01", "-1.500000", "straße", "ß", None, date(2021, 1, 3), date(2020, 12, 31),
     datetime(2021, 1, 3, 0, 0, 0, 1), datetime(2021, 1, 3, tzinfo=UTC)),
    (4, *[None] * 14),
    (5, 7, 2147483647, 9223372036854775807, 3.0, 1e15, "9999999999999.99", "99999999999999.999999", "HELLO World", "o",
     True, date(2024, 12, 31), date(2024, 2, 29), datetime(2024, 12, 31, 12), datetime(2024, 12, 31, 12, tzinfo=UTC)),
    (6, 3, 0, 0, 0.0, 0.0, "0.00", "0.000000", "", "", False, date(1970, 1, 1), date(1970, 1, 1), datetime(1970, 1, 1),
     datetime(1970, 1, 1, tzinfo=UTC)),
)  # fmt: skip
DECIMALS = {"n": Decimal, "m": Decimal}


def sample_rows() -> pa.Table:
    columns = zip(*ROWS, strict=True)
    arrays = [
        pa.array([None if cell is None else DECIMALS.get(field.name, lambda x: x)(cell) for cell in column], field.type)
        for field, column in zip(SAMPLES, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SAMPLES)


@pytest.fixture(scope="session")
def delta(tmp_path_factory: pytest.TempPathFactory) -> dict[TableName, Path]:
    """The Delta tables: TPC-H at scale 0.01 and the samples."""
    folder = tmp_path_factory.mktemp("translation")
    tool = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([tool, "parquet", "-s", "0.01", f"--output-dir={folder}/tpch"], check=True, capture_output=True)
    found = {}
    for file in sorted((folder / "tpch").glob("*.parquet")):
        table = pq.read_table(file)
        plain = [pa.field(f.name, pa.string() if "string" in str(f.type) else f.type) for f in table.schema]
        found[TableName("tpch", file.stem)] = folder / "delta" / file.stem
        write_deltalake(folder / "delta" / file.stem, table.cast(pa.schema(plain)))
    found[TableName("samples", "v")] = folder / "delta" / "samples"
    write_deltalake(folder / "delta" / "samples", sample_rows())
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    rows: list[tuple[Any, ...]]
    types: tuple[PgType, ...]


class Rig:
    """Runs one text on PostgreSQL and on a lane; DuckDB reads `rows`, if there are any, for every table."""

    def __init__(self, oracle: psycopg.Connection, delta: dict[TableName, Path]) -> None:
        self.oracle = oracle
        self.delta = delta
        self.snapshots: dict[TableName, Snapshot] = {}
        self.refresh()
        self.duckdb = duckdb.connect()
        self.duckdb.execute("SET TimeZone = 'UTC'")
        self.spark: SparkSession | None = None
        self.time_zone = "UTC"
        self.rows: pa.Table | None = None

    def refresh(self) -> None:
        """Reads the tables as they are now."""
        self.snapshots = {
            name: read_snapshot(DeltaTable(folder), name, str(folder)) for name, folder in self.delta.items()
        }

    def describe(self, text: str) -> Description:
        self.oracle.pgconn.prepare(b"", text.encode())
        found = self.oracle.pgconn.describe_prepared(b"")
        assert not found.error_message, found.error_message.decode()
        columns = [
            ResultColumn((found.fname(i) or b"").decode(), PgType(found.ftype(i), found.fmod(i)))
            for i in range(found.nfields)
        ]
        return Description(tuple(found.param_type(i) for i in range(found.nparams)), tuple(columns))

    def expected(self, text: str) -> Answer:
        cursor = self.oracle.execute(text.encode())
        return Answer(cursor.fetchall(), tuple(column.type for column in self.describe(text).columns or ()))

    def resolve(self, statement: Statement) -> Resolution:
        tables = {}
        for reference in statement.references:
            name = TableName(reference.schema or "tpch", reference.name)
            if name in self.snapshots:
                tables[reference] = ResolvedTable(name, frozenset(Privilege), self.snapshots[name], "admin")
        admin = Principal("admin", True, frozenset())
        return Resolution(admin, "demo", 1, tables, {}, "tpch", "/nowhere", frozenset())

    def plan(self, text: str, lane: Lane) -> Query:
        (statement,) = parse(text, Dialect.POSTGRES)
        planned = plan(
            statement,
            self.resolve(statement),
            Settings(lane=lane, customs=Customs(self.time_zone)),
            self.describe(text),
        )
        assert isinstance(planned, Query)
        return planned

    def answer(self, text: str, lane: Lane) -> list[tuple[Any, ...]]:
        query = self.plan(text, lane)
        if lane is Lane.SPARK:
            assert self.spark is not None
            return _tuples(self.spark.execute(query.sql, None, [], {}).reader.read_all())
        for scan in query.scans:
            files = [file.path for file in scan.files]
            rows = self.duckdb.read_parquet(files) if self.rows is None else self.duckdb.from_arrow(self.rows)
            rows.create_view(scan.relation, replace=True)
        return _tuples(self.duckdb.execute(query.sql).to_arrow_table())


def _tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


@pytest.fixture(scope="session")
def rig(delta: dict[TableName, Path]) -> Iterator[Rig]:
    with running_postgres() as target, target.connect() as oracle:
        for schema in {name.schema for name in delta}:
            oracle.execute(f"CREATE SCHEMA {schema}".encode())
        for name, folder in delta.items():
            load(oracle, name, folder)
        oracle.execute("CREATE INDEX ON tpch.lineitem (l_partkey, l_suppkey)")
        oracle.execute("CREATE INDEX ON tpch.lineitem (l_orderkey)")
        oracle.execute("SET search_path = tpch")
        yield Rig(oracle, delta)
