"""The DuckDB engine's pure parts: types, partition values, views, errors."""

import json
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from catalog.errors import UnreadableTable
from catalog.scans import DataFile, Scan, ScanColumn
from compute.engines.duckdb.errors import translate
from compute.engines.duckdb.parameters import named_values
from compute.engines.duckdb.types import UnreadableType, cast_column, duckdb_type, parse_type, partition_constant
from compute.engines.duckdb.views import MAX_UNION, scan_query

STRUCT = {
    "type": "struct",
    "fields": [
        {"name": "a", "type": "integer", "nullable": True, "metadata": {"delta.columnMapping.physicalName": "col-a"}},
        {"name": "b", "type": {"type": "array", "elementType": "string", "containsNull": True}, "nullable": True},
    ],
}


@pytest.mark.parametrize(
    ("delta_type", "expected"),
    [
        ("long", "BIGINT"),
        ("byte", "TINYINT"),
        ("decimal(15,2)", "DECIMAL(15,2)"),
        ("varchar(10)", "VARCHAR"),
        ("timestamp", "TIMESTAMPTZ"),
        ("timestamp_ntz", "TIMESTAMP"),
        (json.dumps({"type": "array", "elementType": "date", "containsNull": True}), "DATE[]"),
        (json.dumps({"type": "map", "keyType": "string", "valueType": "double"}), "MAP(VARCHAR, DOUBLE)"),
        (json.dumps(STRUCT), 'STRUCT("a" INTEGER, "b" VARCHAR[])'),
    ],
)
def test_types(delta_type: str, expected: str) -> None:
    assert duckdb_type(parse_type(delta_type)) == expected


@pytest.mark.parametrize("delta_type", ["variant", "void", "geometry(4326)", "LONG'; DROP"])
def test_unknown_types_are_refused(delta_type: str) -> None:
    with pytest.raises(UnreadableType):
        duckdb_type(parse_type(delta_type))


def evaluate(expression: str) -> object:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        row = connection.execute(f"SELECT ({expression})::VARCHAR").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("7", "integer", "7"),
        ("-1.50", "decimal(5,2)", "-1.50"),
        ("it's", "string", "it's"),
        ("", "string", None),
        (None, "date", None),
        ("2020-02-29", "date", "2020-02-29"),
        ("true", "boolean", "true"),
        ("2020-01-01 10:00:00", "timestamp", "2020-01-01 10:00:00+00"),
        ("2020-01-01T10:00:00.5Z", "timestamp", "2020-01-01 10:00:00.5+00"),
        ("2020-01-01 10:00:00+02:00", "timestamp", "2020-01-01 08:00:00+00"),
        ("2020-01-01 10:00:00", "timestamp_ntz", "2020-01-01 10:00:00"),
        ("\x01\xff", "binary", "\\x01\\xFF"),
    ],
)
def test_partition_values(text: str | None, kind: str, expected: object) -> None:
    assert evaluate(partition_constant(text, kind)) == expected


def test_mapped_structs_get_their_names_back() -> None:
    source = "(SELECT {'col-a': 1, 'b': ['x']} AS s)"
    assert evaluate(f"SELECT {cast_column('s', STRUCT, 'STRUCT')} FROM {source}") == "{'a': 1, 'b': [x]}"
    nested = {"type": "array", "elementType": STRUCT, "containsNull": True}
    source = "(SELECT [{'col-a': 1, 'b': NULL}, NULL] AS s)"
    assert evaluate(f"SELECT {cast_column('s', nested, 'STRUCT[]')} FROM {source}") == "[{'a': 1, 'b': NULL}, NULL]"
    mapped = {"type": "map", "keyType": "string", "valueType": STRUCT, "valueContainsNull": True}
    source = "(SELECT MAP {'k': {'col-a': 1, 'b': ['y']}} AS s)"
    assert evaluate(f"SELECT {cast_column('s', mapped, 'MAP')} FROM {source}") == "{k={'a': 1, 'b': [y]}}"


def test_nested_instants_without_a_zone_are_utc() -> None:
    kind = {"type": "struct", "fields": [{"name": "a", "type": "timestamp"}, {"name": "b", "type": "timestamp_ntz"}]}
    source = "(SELECT {'a': TIMESTAMP '2020-01-01', 'b': TIMESTAMP '2020-01-01'} AS s)"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        query = f"SELECT ({cast_column('s', kind, 'STRUCT(a TIMESTAMP, b TIMESTAMP)')})::VARCHAR FROM {source}"
        assert connection.execute(query).fetchall() == [
            ("{'a': '2020-01-01 09:00:00+09', 'b': '2020-01-01 00:00:00'}",)
        ]


def partitioned(values: int) -> Scan:
    columns = (ScanColumn("id", "id", "long", False), ScanColumn("part", "part", "integer", True))
    files = tuple(DataFile(f"/t/{n}.parquet", 1, (str(n),)) for n in range(values))
    return Scan("s", "/t", 1, columns, files, True, "d")


class Columns:
    """Files that all hold these columns."""

    def __init__(self, **columns: str) -> None:
        self._columns = columns

    def describe(self, source: str) -> dict[str, str]:
        return self._columns

    def group_alike(self, scan: Scan) -> list[tuple[DataFile, ...]]:
        return [scan.files]


def test_few_partitions_become_a_union_and_many_a_join() -> None:
    present = Columns(id="BIGINT")
    assert scan_query(partitioned(MAX_UNION), present).count("UNION ALL") == MAX_UNION - 1
    many = scan_query(partitioned(MAX_UNION + 1), present)
    assert "UNION ALL" not in many
    assert "JOIN" in many


def test_a_uniform_scan_with_a_missing_column_is_refused() -> None:
    with pytest.raises(UnreadableTable, match='lack the column "id"'):
        scan_query(partitioned(1), Columns(other="BIGINT"))


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("Conversion Error: Could not convert string 'x' to INT32", "22P02"),
        ("Out of Range Error: Overflow in addition", "22003"),
        ("Invalid Input Error: 22012: division by zero", "22012"),
        ("Out of Memory Error: failed to allocate", "53200"),
        ("INTERRUPT Error: Interrupted!", "57014"),
        ("IO Error: No files found", "58030"),
        ("IO Error: Could not write file: No space left on device", "53100"),
        ("Permission Error: Cannot access file", "42501"),
        ('Parser Error: syntax error at or near "x"', "42601"),
        ("Binder Error: Referenced column x not found", "42703"),
        ("Catalog Error: Table with name x does not exist!", "42P01"),
        ("Catalog Error: Scalar Function with name f does not exist!", "42883"),
        ("something else", "XX000"),
    ],
)
def test_errors_get_a_sqlstate(text: str, sqlstate: str) -> None:
    assert translate(RuntimeError(text)).sqlstate == sqlstate


def test_parameters_become_values() -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    batch = pa.record_batch(
        {
            "p1": pa.array([moment], pa.timestamp("us", "Europe/Berlin")),
            "p2": pa.array([None], pa.int32()),
            "p3": pa.array([pa.MonthDayNano([1, 2, 3000])], pa.month_day_nano_interval()),
        }
    )
    assert named_values(batch) == {"p1": moment, "p2": None, "p3": "1 months 2 days 3 microseconds"}
    assert named_values(None) == {}
