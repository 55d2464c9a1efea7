"""DuckDB's spellings. The SQL reads relations ``scan_0``, ``scan_1``… and parameters ``$p1``, ``$p2``…"""

import datetime
from collections.abc import Sequence

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

    def array(self, elements: Sequence[str], type_: PgType) -> str:
        return f"CAST([{', '.join(elements)}] AS {self.type(type_)})"

    def each(self, array: str, name: str, sql: str) -> str:
        return f"list_transform({array}, lambda {name}: {sql})"

    def timestamptz(self, moment: datetime.datetime) -> str:
        return f"CAST('{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S.%f}+00' AS TIMESTAMPTZ)"

    def local(self, moment: str, zone: str) -> str:
        return f"timezone('{zone}', {moment})"

    def moment(self, local: str, zone: str) -> str:
        return f"timezone('{zone}', {local})"
