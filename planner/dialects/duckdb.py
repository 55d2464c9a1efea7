"""DuckDB's spellings. The SQL reads relations ``scan_0``, ``scan_1``… and parameters ``$p1``, ``$p2``…"""

import datetime

from catalog.types import PgType
from planner.dialects.spelling import Span, engine_type
from planner.plan import Lane


class DuckDb:
    lane = Lane.DUCKDB

    def identifier(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def string(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def type(self, type_: PgType) -> str:
        return engine_type(type_, Lane.DUCKDB)

    def span(self, span: Span) -> str:
        fields = ((span.months, "MONTH"), (span.days, "DAY"), (span.microseconds, "MICROSECOND"))
        parts = [f"INTERVAL ({amount}) {unit}" for amount, unit in fields if amount] or ["INTERVAL (0) DAY"]
        return f"({' + '.join(parts)})"

    def timestamptz(self, moment: datetime.datetime) -> str:
        return f"CAST('{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S.%f}+00' AS TIMESTAMPTZ)"
