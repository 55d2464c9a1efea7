"""Spark's types in Arrow's and Delta's words."""

import json

import pyarrow as pa
import pytest

from catalog.types import shadow_type
from compute.engines.spark.types import DELTA_TYPE, UnknownType, arrow_schema, arrow_type, delta_type
from compute.spark.protocol import types

LONG = types.DataType(long=types.DataType.Long())
TEXT = types.DataType(string=types.DataType.String())
PRICE = types.DataType(decimal=types.DataType.Decimal(precision=15, scale=2))
PRICES = types.DataType(array=types.DataType.Array(element_type=PRICE, contains_null=True))


def test_a_schema_carries_delta_s_spelling_for_the_shadow() -> None:
    fields = [
        types.DataType.StructField(name="id", data_type=LONG, nullable=False),
        types.DataType.StructField(name="prices", data_type=PRICES, nullable=True),
    ]
    schema = arrow_schema(types.DataType.Struct(fields=fields), "UTC")
    assert schema.remove_metadata() == pa.schema(
        [pa.field("id", pa.int64(), False), ("prices", pa.list_(pa.field("element", pa.decimal128(15, 2))))]
    )
    spellings = [field.metadata[DELTA_TYPE].decode() for field in schema]
    assert [shadow_type(spelling)[1] for spelling in spellings] == ["bigint", "numeric(15,2)[]"]


def test_nested_types_are_objects() -> None:
    of_text = types.DataType(map=types.DataType.Map(key_type=TEXT, value_type=LONG, value_contains_null=True))
    field = types.DataType.StructField(name="m", data_type=of_text, nullable=True)
    kind = types.DataType(struct=types.DataType.Struct(fields=[field]))
    assert json.loads(json.dumps(delta_type(kind)))["fields"][0]["type"]["valueType"] == "long"
    assert arrow_type(kind, "UTC").field("m").type.item_type == pa.int64()


def test_instants_have_the_session_s_time_zone() -> None:
    kind = types.DataType(timestamp=types.DataType.Timestamp())
    assert arrow_type(kind, "Asia/Tokyo") == pa.timestamp("us", "Asia/Tokyo")


def test_what_results_cannot_hold_is_named() -> None:
    with pytest.raises(UnknownType, match="year_month_interval"):
        arrow_type(types.DataType(year_month_interval=types.DataType.YearMonthInterval()), "UTC")
