"""Function calls: scalar functions by their table, aggregates, window functions, and the few with rules of their
own."""

import re
from typing import TYPE_CHECKING

from catalog.types import Oid, PgType
from planner import tree
from planner.bind import Scope
from planner.customs import Customs
from planner.dialects.aggregates import AGGREGATES, aggregate, window_function
from planner.dialects.arrays import array_type, cardinality, joined
from planner.dialects.casts import cast
from planner.dialects.coercion import (
    APPROXIMATE,
    DATE,
    FLOAT8,
    FLOATS,
    INT4,
    INTEGERS,
    STRINGS,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    decimal,
    digits,
    is_exact,
    type_name,
)
from planner.dialects.context import SESSION_FUNCTIONS, Context
from planner.dialects.expression import Expression, Unverified
from planner.dialects.functions import DATE_FORMATS, FIELDS, FUNCTIONS, TARGETS
from planner.dialects.moments import read_moment
from planner.dialects.windows import over_clause
from planner.dialects.zones import UTC, check_zone
from planner.plan import Lane
from planner.tree import Node

if TYPE_CHECKING:
    from planner.dialects.translator import Expressions

_WITHIN_A_DAY = frozenset({"hour", "minute", "second"})
_TRUNCATIONS = frozenset({"year", "quarter", "month", "week", "day"}) | _WITHIN_A_DAY
_DATETIMES = (DATE, TIMESTAMP, TIMESTAMPTZ)


class Calls:
    """Translates calls for `Expressions`."""

    def __init__(self, context: Context, expressions: "Expressions") -> None:
        self.context = context
        self.expressions = expressions
        self.lane = context.spelling.lane

    def translate(self, fields: Node, scope: Scope) -> Expression:
        """One FuncCall. Raises `Unverified` for a function without a verified rewrite."""
        *schema, name = tree.strings(fields["funcname"])
        if schema not in ([], ["pg_catalog"]) or fields.get("func_variadic"):
            raise Unverified(f"function {'.'.join([*schema, name])}() is not supported on lakehouse tables")
        arguments = [self.expressions.translate(node, scope) for node in fields.get("args", [])]
        if name in AGGREGATES or "over" in fields:
            return self._aggregate(name, arguments, fields, scope)
        if name == "string_agg":
            return self._string_agg(arguments, fields, scope)
        if name == "array_agg":
            return self._array_agg(arguments, fields, scope)
        if name in SESSION_FUNCTIONS and not arguments:
            return self.context.session_parameter(name)
        special = getattr(self, f"_call_{name}", None)
        result: Expression | None = special(arguments) if special else None
        return (result or self._scalar(name, arguments)).named(name)

    def _scalar(self, name: str, arguments: list[Expression]) -> Expression:
        for function in FUNCTIONS.get(name, ()):
            if function.accepts(arguments):
                template = function.template(self.lane)
                if template is None:
                    break
                kinds = zip(function.arguments, arguments, strict=True)
                typed = [self._as_kind(kind, value) for kind, value in kinds]
                result = function.result
                type_ = result(tuple(v.type for v in typed if v.type)) if callable(result) else result
                return Expression(template.format(*(value.sql for value in typed)), type_)
        kinds_given = ", ".join(type_name(argument.type) for argument in arguments)
        raise Unverified(f"function {name}({kinds_given}) is not supported on lakehouse tables")

    def _as_kind(self, kind: str, value: Expression) -> Expression:
        if value.type is None:
            return self.expressions.as_type(value, TARGETS[kind])
        if kind == "r" and value.type != FLOAT8:
            return Expression(f"CAST({value.sql} AS DOUBLE)", APPROXIMATE if value.type.oid == Oid.NUMERIC else FLOAT8)
        return value

    def _aggregate(self, name: str, arguments: list[Expression], fields: Node, scope: Scope) -> Expression:
        if fields.get("agg_within_group") or fields.get("agg_order"):
            raise Unverified(f"{name}() with an order is not supported on lakehouse tables")
        tail = self._filter(fields, scope)
        if "over" in fields:
            tail += " OVER " + over_clause(fields["over"], scope, self.expressions)
        distinct = bool(fields.get("agg_distinct"))
        if name not in AGGREGATES:
            found = window_function(name, arguments, lambda call: call + tail, self.lane)
            if found is None:
                raise Unverified(f"window function {name}() is not supported on lakehouse tables")
            return found
        return aggregate(name, arguments, distinct, lambda call: call + tail, self.lane)

    def _filter(self, fields: Node, scope: Scope) -> str:
        if "agg_filter" not in fields:
            return ""
        return f" FILTER (WHERE {self.expressions.condition(fields['agg_filter'], scope).sql})"

    def _string_agg(self, arguments: list[Expression], fields: Node, scope: Scope) -> Expression:
        if arguments[0].type is None or arguments[0].type.oid not in STRINGS or len(arguments) != 2:
            raise Unverified("string_agg() of this type is not supported on lakehouse tables")
        value, separator = (self.expressions.as_type(argument, TEXT).sql for argument in arguments)
        distinct = "DISTINCT " if fields.get("agg_distinct") else ""
        order = self.expressions.queries.order_list(fields.get("agg_order", []), scope)
        if self.lane is Lane.DUCKDB:
            call = f"string_agg({distinct}{value}, {separator}{' ORDER BY ' + order if order else ''})"
        else:
            call = f"listagg({distinct}{value}, {separator}){f' WITHIN GROUP (ORDER BY {order})' if order else ''}"
        return Expression(call + self._filter(fields, scope), TEXT, name="string_agg")

    def _array_agg(self, arguments: list[Expression], fields: Node, scope: Scope) -> Expression:
        """PostgreSQL sorts distinct elements to tell them apart. Spark would leave NULLs out."""
        if self.lane is Lane.SPARK or arguments[0].type is None:
            raise Unverified("array_agg() of this is not supported on lakehouse tables")
        value, distinct = arguments[0].sql, bool(fields.get("agg_distinct"))
        order = self.expressions.queries.order_list(fields.get("agg_order", []), scope)
        order = order or (f"{value} ASC NULLS LAST" if distinct else "")
        call = f"array_agg({'DISTINCT ' if distinct else ''}{value}{' ORDER BY ' + order if order else ''})"
        return Expression(call + self._filter(fields, scope), array_type(arguments[0].type), name="array_agg")

    def _call_array_length(self, arguments: list[Expression]) -> Expression:
        """An empty array has no length."""
        if arguments[1].sql != "1":
            raise Unverified("array_length() takes dimension 1 on lakehouse tables")
        counted = cardinality(arguments[0], self.lane)
        return Expression(f"nullif({counted.sql}, 0)", INT4)

    def _call_cardinality(self, arguments: list[Expression]) -> Expression:
        return cardinality(arguments[0], self.lane)

    def _call_array_to_string(self, arguments: list[Expression]) -> Expression | None:
        return joined(arguments[0], arguments[1], self.lane) if len(arguments) == 2 else None

    def _call_concat(self, arguments: list[Expression]) -> Expression:
        texts = [self.expressions.as_type(argument, TEXT).sql for argument in arguments]
        return Expression(f"concat({', '.join(f'''coalesce({text}, '')''' for text in texts)})", TEXT)

    def _call_random(self, arguments: list[Expression]) -> Expression | None:
        """Spark would draw the seed from its clock."""
        if self.lane is Lane.DUCKDB or arguments:
            return None
        return Expression(f"rand({self.context.seed()})", FLOAT8)

    def _call_mod(self, arguments: list[Expression]) -> Expression:
        return self.context.operators.binary("%", arguments[0], arguments[1])

    def _call_round(self, arguments: list[Expression]) -> Expression | None:
        """round(numeric, n), and round(x) of an approximate numeric: half away from zero."""
        value = arguments[0]
        if value.type is None or value.type.oid in FLOATS or (value.type.oid in INTEGERS and len(arguments) == 1):
            return None
        if len(arguments) == 2 and not re.fullmatch(r"\d+", arguments[1].sql):
            raise Unverified("round(numeric, n) needs a literal number of decimals")
        places = int(arguments[1].sql) if len(arguments) == 2 else 0
        if not is_exact(value.type):
            value = Expression(
                f"CAST({value.sql} AS DECIMAL(38,{min(places + 8, 30)}))", decimal(38, min(places + 8, 30))
            )
        precision, scale = digits(value.type or APPROXIMATE)
        target = decimal(precision - scale + places + 1, places)
        kept = min(places, scale)
        return Expression(f"CAST(round({value.sql}, {kept}) AS {self.context.spelling.type(target)})", target)

    def _call_extract(self, arguments: list[Expression]) -> Expression:
        sql, decimals = self._field(arguments)
        if arguments[1].type == DATE:
            decimals = 0
        target = decimal(24 if decimals else 14, decimals)
        return Expression(f"CAST({sql} AS {self.context.spelling.type(target)})", target)

    def _call_date_part(self, arguments: list[Expression]) -> Expression:
        return Expression(f"CAST({self._field(arguments)[0]} AS DOUBLE)", FLOAT8)

    def _field(self, arguments: list[Expression]) -> tuple[str, int]:
        field, value = (arguments[0].literal or "").lower(), arguments[1]
        clock = field in ("hour", "minute", "second")
        if field not in FIELDS or value.type not in _DATETIMES or (clock and value.type == DATE):
            raise Unverified(f"extract({field} from {type_name(value.type)}) is not supported on lakehouse tables")
        decimals, duckdb, spark = FIELDS[field]
        template = duckdb if self.lane is Lane.DUCKDB else spark
        if (field == "epoch") != (value.type == TIMESTAMPTZ):
            # What clocks show; but an epoch counts from a moment.
            value = self.expressions.as_type(value, TIMESTAMP)
        return template.format(value.sql), decimals

    def _call_date_trunc(self, arguments: list[Expression]) -> Expression:
        """A date counts as its midnight in the session's time zone, and like a moment is truncated there."""
        unit, value = (arguments[0].literal or "").lower(), arguments[1]
        zone = arguments[2].literal if len(arguments) == 3 else self.context.customs.time_zone
        zoned = len(arguments) == 2 or value.type == TIMESTAMPTZ
        if unit not in _TRUNCATIONS or value.type not in _DATETIMES or not zoned or zone is None:
            kinds = ", ".join(type_name(argument.type) for argument in arguments[1:])
            raise Unverified(f"date_trunc('{unit}', {kinds}) is not supported on lakehouse tables")
        if value.type == TIMESTAMP:
            return Expression(self._truncated(unit, value.sql), TIMESTAMP)
        zone = check_zone(zone)
        if value.type == DATE:
            midnight = self.expressions.as_type(value, TIMESTAMP)
            return self._placed(Expression(self._truncated(unit, midnight.sql), TIMESTAMP), zone)
        local = self._shown(value, zone)
        if unit in _WITHIN_A_DAY and zone not in UTC:
            return self._without_rest(unit, value, local)
        return self._placed(Expression(self._truncated(unit, local.sql), TIMESTAMP), zone)

    def _truncated(self, unit: str, local: str) -> str:
        if self.lane is Lane.DUCKDB:
            return f"date_trunc('{unit}', {local})"
        return f"CAST(date_trunc('{unit}', CAST({local} AS TIMESTAMP)) AS TIMESTAMP_NTZ)"

    def _without_rest(self, unit: str, moment: Expression, local: Expression) -> Expression:
        """The moment less what clocks show beyond the unit: an hour that comes twice stays the one that it is."""
        if self.lane is Lane.DUCKDB:
            rest = f"(epoch_us({local.sql}) - epoch_us({self._truncated(unit, local.sql)}))"
            return Expression(f"make_timestamptz(epoch_us({moment.sql}) - {rest})", TIMESTAMPTZ)
        shown, start = (
            f"unix_micros(CAST({sql} AS TIMESTAMP))" for sql in (local.sql, self._truncated(unit, local.sql))
        )
        return Expression(f"timestamp_micros(unix_micros({moment.sql}) - ({shown} - {start}))", TIMESTAMPTZ)

    def _shown(self, moment: Expression, zone: str) -> Expression:
        """What clocks in the zone show at a moment."""
        return cast(moment, TIMESTAMP, self.context.spelling, Customs(zone))

    def _placed(self, local: Expression, zone: str) -> Expression:
        """When they show it."""
        return cast(local, TIMESTAMPTZ, self.context.spelling, Customs(zone))

    def _call_timezone(self, arguments: list[Expression]) -> Expression | None:
        """AT TIME ZONE."""
        zone, value = arguments[0].literal, arguments[-1]
        if zone is None or value.type not in (TIMESTAMP, TIMESTAMPTZ):
            return None
        move = self._placed if value.type == TIMESTAMP else self._shown
        return move(value, check_zone(zone))

    def _call_to_char(self, arguments: list[Expression]) -> Expression:
        value, pattern = arguments
        if value.type not in _DATETIMES or pattern.literal is None:
            raise Unverified("to_char() takes a date or timestamp and a literal pattern on lakehouse tables")
        if value.type == TIMESTAMPTZ:
            value = self.expressions.as_type(value, TIMESTAMP)
        parts = re.findall(r"YYYY|MM|DD|HH24|MI|SS|[-/:. ]|.", pattern.literal)
        if any(part not in DATE_FORMATS and part not in "-/:. " for part in parts):
            raise Unverified(f"to_char() with the pattern '{pattern.literal}' is not supported on lakehouse tables")
        lane = 0 if self.lane is Lane.DUCKDB else 1
        spelled = "".join(DATE_FORMATS[part][lane] if part in DATE_FORMATS else part for part in parts)
        function = "strftime" if self.lane is Lane.DUCKDB else "date_format"
        return Expression(f"{function}({value.sql}, '{spelled}')", TEXT)

    def _call_to_date(self, arguments: list[Expression]) -> Expression | None:
        return self._read(arguments, DATE)

    def _call_to_timestamp(self, arguments: list[Expression]) -> Expression | None:
        return self._read(arguments, TIMESTAMPTZ)

    def _read(self, arguments: list[Expression], target: PgType) -> Expression | None:
        """A constant, so that it prunes files as one does."""
        match [argument.literal for argument in arguments]:
            case [str(text), str(pattern)]:
                moment = Expression("NULL", None, literal=read_moment(text, pattern))
                return self.expressions.as_type(moment, target)
        return None

    def _call_date(self, arguments: list[Expression]) -> Expression:
        return self.expressions.as_type(arguments[0], PgType(Oid.DATE))
