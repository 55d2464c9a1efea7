"""Spark SQL's spellings (ANSI mode). Tables are read as ``delta.`path` VERSION AS OF n``, parameters as ``:p1``…"""

import datetime

from catalog.types import PgType
from planner.dialects.expression import Unverified
from planner.dialects.spelling import Span, engine_type
from planner.plan import Lane

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})


class Spark:
    lane = Lane.SPARK

    def identifier(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def string(self, text: str) -> str:
        return "'" + text.translate(_ESCAPES) + "'"

    def type(self, type_: PgType) -> str:
        return engine_type(type_, Lane.SPARK)

    def span(self, span: Span) -> str:
        if span.months and (span.days or span.microseconds):
            raise Unverified("an interval of months and days")
        if span.months:
            return f"INTERVAL '{span.months}' MONTH"
        if span.microseconds:
            seconds = f"{span.microseconds // 1_000_000}.{span.microseconds % 1_000_000:06d}"
            return f"(INTERVAL '{span.days}' DAY + make_dt_interval(0, 0, 0, {seconds}))"
        return f"INTERVAL '{span.days}' DAY"

    def timestamptz(self, moment: datetime.datetime) -> str:
        return f"TIMESTAMP '{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S.%f}+00:00'"
