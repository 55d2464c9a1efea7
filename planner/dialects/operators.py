"""Operators with PostgreSQL's results on both lanes.

Integers divide towards zero and refuse a zero divisor; `||` joins text; dates move by days and intervals; comparisons
bring both sides to PostgreSQL's common type; LIKE escapes with a backslash.
"""

from catalog.types import ELEMENT_OF, Oid, PgType
from planner.customs import Customs
from planner.dialects.casts import cast
from planner.dialects.coercion import (
    APPROXIMATE,
    BOOL,
    DATE,
    DATETIMES,
    FLOAT8,
    FLOATS,
    INT4,
    INTEGERS,
    INTERVAL,
    MAX_PRECISION,
    NUMBERS,
    STRINGS,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    common,
    common_number,
    decimal,
    digits,
    is_exact,
    type_name,
)
from planner.dialects.expression import Expression, Unverified
from planner.dialects.spelling import Span, Spelling
from planner.dialects.zones import UTC, check_zone
from planner.plan import Lane
from planner.predicates import ColumnTerm, ConstantTerm, ParameterTerm, Prefix, comparison

COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_WHOLE = INTEGERS | {Oid.OID}
_WORD_DIGITS = 18
_EXACT_PARAMETER = decimal(MAX_PRECISION, 18)
_REGEX = {"~": ("", ""), "~*": ("", "i"), "!~": ("NOT ", ""), "!~*": ("NOT ", "i")}


def unary(operator: str, operand: Expression) -> Expression:
    if operand.type is None or operand.type.oid not in NUMBERS | {Oid.INTERVAL} or operator not in "+-":
        raise Unverified(f"operator {operator} {type_name(operand.type)} is not supported")
    return operand if operator == "+" else Expression(f"(-{operand.sql})", operand.type)


class Operators:
    """Binary operators of one lane."""

    def __init__(self, spelling: Spelling, customs: Customs) -> None:
        self.spelling = spelling
        self.customs = customs

    def binary(self, operator: str, left: Expression, right: Expression) -> Expression:
        """`left operator right`. Raises `Unverified` for operand types without a rewrite."""
        if operator in COMPARISONS:
            return self.compare(operator, left, right)
        if operator == "||":
            return self._concatenate(left, right)
        if operator in _REGEX:
            return self._regex(operator, left, right)
        left, right = self._resolve_unknown(operator, left, right)
        assert left.type is not None
        assert right.type is not None
        if left.type.oid in NUMBERS and right.type.oid in NUMBERS:
            return self._arithmetic(operator, left, right, left.type, right.type)
        return self._temporal(operator, left, right, left.type, right.type)

    def as_type(self, value: Expression, target: PgType) -> Expression:
        return cast(value, target, self.spelling, self.customs)

    def _resolve_unknown(self, operator: str, left: Expression, right: Expression) -> tuple[Expression, Expression]:
        # PostgreSQL assumes that an untyped operand is of the other's type; beside dates it is an interval or a date.
        if left.type is None and right.type is None:
            raise Unverified(f"operator {operator} on two untyped literals is not supported")
        if right.type is None and left.type is not None:
            temporal = left.type.oid in DATETIMES and operator == "+"
            right = self.as_type(right, INTERVAL if temporal else left.type)
        if left.type is None and right.type is not None:
            left = self.as_type(left, right.type)
        return left, right

    def compare(self, operator: str, left: Expression, right: Expression) -> Expression:
        """One of COMPARISONS. Raises `Unverified`."""
        left, right = self.comparable(left, right)
        if (
            self.spelling.lane is Lane.SPARK
            and left.type
            and left.type.oid in ELEMENT_OF
            and operator not in ("=", "<>")
        ):
            raise Unverified("the order of arrays depends on where NULLs in them come")
        predicate = comparison(left.term, operator, right.term)
        return Expression(f"({left.sql} {operator} {right.sql})", BOOL, predicate=predicate)

    def comparable(self, left: Expression, right: Expression) -> tuple[Expression, Expression]:
        """Both sides brought to the type in which PostgreSQL compares them."""
        target = common((left.type, right.type), "comparison")
        if target.oid == Oid.BPCHAR:
            raise Unverified("comparing values of type character(n) is not supported")
        if target.oid == Oid.NUMERIC:
            return self._numeric_side(left, right), self._numeric_side(right, left)
        return tuple(self._side(side, target) for side in (left, right))  # type: ignore[return-value]

    def _side(self, side: Expression, target: PgType) -> Expression:
        if side.type and (side.type.oid == target.oid or (side.type.oid in _WHOLE and target.oid in _WHOLE)):
            return side
        if side.type and side.type.oid in STRINGS and side.type.oid != Oid.BPCHAR and target.oid in STRINGS:
            return side
        return self.as_type(side, PgType(target.oid) if target.oid in STRINGS else target)

    def _numeric_side(self, side: Expression, other: Expression) -> Expression:
        # A parameter has no typmod: beside an exact number it is compared with 18 decimals instead of as a double.
        if side.type is None:
            return self.as_type(side, APPROXIMATE)
        if isinstance(side.term, ParameterTerm) and side.type == APPROXIMATE and other.type and is_exact(other.type):
            name = f"p{side.term.number}"
            sigil = "$" if self.spelling.lane is Lane.DUCKDB else ":"
            sql = f"CAST({sigil}{name} AS {self.spelling.type(_EXACT_PARAMETER)})"
            return Expression(sql, _EXACT_PARAMETER, term=side.term)
        return side

    def _concatenate(self, left: Expression, right: Expression) -> Expression:
        types = [side.type for side in (left, right)]
        if not any(t is None or t.oid in STRINGS for t in types):
            raise Unverified(f"operator || on {' and '.join(map(type_name, types))} is not supported")
        texts = [
            self.as_type(side, TEXT) if side.type is None or side.type.oid not in STRINGS else side
            for side in (left, right)
        ]
        if any(t is not None and t.oid == Oid.BPCHAR for t in types):
            raise Unverified("operator || on character(n) is not supported")
        return Expression(f"({texts[0].sql} || {texts[1].sql})", TEXT)

    def _regex(self, operator: str, left: Expression, right: Expression) -> Expression:
        if right.literal is None or right.type is not None or not _is_portable(right.literal):
            raise Unverified(f"operator {operator} needs a literal pattern of the portable kind")
        text, (negation, flags) = self.as_type(left, TEXT), _REGEX[operator]
        pattern = self.spelling.string(("(?i)" if flags else "") + right.literal)
        function = "regexp_matches" if self.spelling.lane is Lane.DUCKDB else "regexp_like"
        return Expression(f"({negation}{function}({text.sql}, {pattern}))", BOOL)

    def like(self, value: Expression, pattern: Expression, escape: str, negated: bool, ignore_case: bool) -> Expression:
        text = value if value.type and value.type.oid in STRINGS - {Oid.BPCHAR} else self.as_type(value, TEXT)
        like = self.as_type(pattern, TEXT)
        word = ("NOT " if negated else "") + ("ILIKE" if ignore_case else "LIKE")
        tail = f" ESCAPE {self.spelling.string(escape)}" if self._needs_escape(pattern, escape) else ""
        prefix = _prefix(pattern.literal, escape) if not negated and not ignore_case else ""
        predicate = Prefix(text.term, prefix) if prefix and isinstance(text.term, ColumnTerm) else None
        return Expression(f"({text.sql} {word} {like.sql}{tail})", BOOL, predicate=predicate)

    def _needs_escape(self, pattern: Expression, escape: str) -> bool:
        # DuckDB has no escape character unless told; Spark's is the backslash, as PostgreSQL's.
        if self.spelling.lane is Lane.SPARK:
            return escape != "\\"
        return pattern.literal is None or pattern.type is not None or escape in pattern.literal

    def _arithmetic(self, operator: str, left: Expression, right: Expression, lt: PgType, rt: PgType) -> Expression:
        target = common_number(lt, rt)
        if operator == "^":
            sql = f"power(CAST({left.sql} AS DOUBLE), CAST({right.sql} AS DOUBLE))"
            return Expression(sql, FLOAT8 if target.oid != Oid.NUMERIC else APPROXIMATE)
        if operator not in ("+", "-", "*", "/", "%"):
            raise Unverified(f"operator {operator} on {type_name(lt)} and {type_name(rt)} is not supported")
        if operator in "/%":
            return Expression(*self._divide(operator, left, right, target))
        if target.oid != Oid.NUMERIC:
            a, b = self._widened(left, target), self._widened(right, target)
            return Expression(f"({a} {operator} {b})", target)
        if target == APPROXIMATE:
            sql = f"(CAST({left.sql} AS DOUBLE) {operator} CAST({right.sql} AS DOUBLE))"
            return Expression(sql, APPROXIMATE)
        return self._exact(operator, left, right, digits(lt), digits(rt))

    def _widened(self, value: Expression, target: PgType) -> str:
        # A bare integer literal adapts in both engines; anything else narrower than the result is cast first.
        if value.type == target or (isinstance(value.term, ConstantTerm) and target.oid in INTEGERS):
            return value.sql
        return f"CAST({value.sql} AS {self.spelling.type(target)})"

    def _divide(self, operator: str, left: Expression, right: Expression, target: PgType) -> tuple[str, PgType]:
        checked = self._nonzero(right)
        if target.oid in INTEGERS:
            a, b = self._widened(left, target), checked
            if operator == "%":
                return f"({a} % {b})", target
            if self.spelling.lane is Lane.DUCKDB:
                return f"({a} // {b})", target
            return f"CAST(({a} div {b}) AS {self.spelling.type(target)})", target
        if operator == "%":
            if not (target.oid == Oid.NUMERIC and target != APPROXIMATE):
                raise Unverified("operator % on approximate numbers is not supported")
            return f"CAST(({left.sql} % {checked}) AS {self.spelling.type(target)})", target
        return (
            f"(CAST({left.sql} AS DOUBLE) / CAST({checked} AS DOUBLE))",
            target if target.oid in FLOATS else APPROXIMATE,
        )

    def _nonzero(self, divisor: Expression) -> str:
        if isinstance(divisor.term, ConstantTerm) and divisor.term.value != 0:
            return divisor.sql
        if self.spelling.lane is Lane.SPARK:
            return divisor.sql  # ANSI mode raises DIVIDE_BY_ZERO
        return f"CASE WHEN {divisor.sql} = 0 THEN error('division by zero') ELSE {divisor.sql} END"

    def _exact(
        self, operator: str, left: Expression, right: Expression, a: tuple[int, int], b: tuple[int, int]
    ) -> Expression:
        (p1, s1), (p2, s2) = a, b
        scale = s1 + s2 if operator == "*" else max(s1, s2)
        whole = p1 - s1 + p2 - s2 if operator == "*" else max(p1 - s1, p2 - s2) + 1
        if scale > MAX_PRECISION:
            raise Unverified(f"a numeric of {scale} decimals is not supported")
        type_ = decimal(whole + scale, scale)
        width = _result_width(operator, (left.width or p1, s1), (right.width or p2, s2))
        if self.spelling.lane is Lane.SPARK:
            left_sql, right_sql = self._narrowed(operator, (left.sql, p1, s1), (right.sql, p2, s2))
            return Expression(f"CAST(({left_sql} {operator} {right_sql}) AS {self.spelling.type(type_)})", type_)
        # DuckDB keeps products of 18 digits in 64 bits and fails beyond: a wider operand makes it use 128.
        wide = f"CAST({left.sql} AS DECIMAL(38,{s1}))" if width > _WORD_DIGITS and p1 <= _WORD_DIGITS else left.sql
        return Expression(f"({wide} {operator} {right.sql})", type_, width=width)

    def _narrowed(self, operator: str, a: tuple[str, int, int], b: tuple[str, int, int]) -> tuple[str, str]:
        """Spark drops decimals when a result is wider than 38 digits: the operands get fewer integer digits instead."""
        (left, p1, s1), (right, p2, s2) = a, b
        w1, w2 = p1 - s1, p2 - s2
        if operator == "*":
            room = MAX_PRECISION - 1 - s1 - s2
            if w1 + w2 <= room:
                return left, right
            n2 = min(w2, max(room // 2, room - w1))
            n1 = room - n2
        else:
            room = MAX_PRECISION - 1 - max(s1, s2)
            if max(w1, w2) <= room:
                return left, right
            n1 = n2 = room
        if min(n1, n2) < 0:
            raise Unverified("numeric arithmetic of more than 38 digits is not supported")
        return tuple(  # type: ignore[return-value]
            sql if kept >= whole else f"CAST({sql} AS DECIMAL({max(kept + scale, 1)},{scale}))"
            for sql, whole, kept, scale in ((left, w1, n1, s1), (right, w2, n2, s2))
        )

    def _temporal(self, operator: str, left: Expression, right: Expression, lt: PgType, rt: PgType) -> Expression:
        if operator == "+" and lt.oid not in DATETIMES and rt.oid in DATETIMES:
            left, right, lt, rt = right, left, rt, lt
        duckdb = self.spelling.lane is Lane.DUCKDB
        if lt.oid == Oid.DATE and rt.oid in (Oid.INT2, Oid.INT4) and operator in "+-":
            days = right.sql if operator == "+" else f"-({right.sql})"
            sql = f"({left.sql} {operator} CAST({right.sql} AS INTEGER))" if duckdb else f"date_add({left.sql}, {days})"
            return Expression(sql, DATE)
        if (lt.oid, rt.oid, operator) == (Oid.DATE, Oid.DATE, "-"):
            sql = f"date_diff('day', {right.sql}, {left.sql})" if duckdb else f"datediff({left.sql}, {right.sql})"
            return Expression(f"CAST({sql} AS INTEGER)" if duckdb else sql, INT4)
        if lt.oid in DATETIMES and rt.oid in DATETIMES and operator == "-" and duckdb:
            return self._difference(left, right, lt, rt)
        if lt.oid in DATETIMES and rt.oid == Oid.INTERVAL and operator in "+-":
            if lt.oid == Oid.TIMESTAMPTZ and self.customs.time_zone not in UTC:
                return self._shift(operator, left, right)
            start = self.as_type(left, TIMESTAMP) if lt.oid == Oid.DATE else left
            type_ = TIMESTAMP if lt.oid == Oid.DATE else lt
            return Expression(f"({start.sql} {operator} {right.sql})", type_)
        if lt.oid == rt.oid == Oid.INTERVAL and operator in "+-" and duckdb:
            return Expression(f"({left.sql} {operator} {right.sql})", INTERVAL)
        raise Unverified(f"operator {operator} on {type_name(lt)} and {type_name(rt)} is not supported")

    def _shift(self, operator: str, left: Expression, right: Expression) -> Expression:
        """A moment and an interval: its months, then its days, are counted on local clocks, its time is not."""
        span, zone = right.span, check_zone(self.customs.time_zone)
        if span is None:
            raise Unverified("timestamptz with an interval that is no literal depends on the time zone")
        sql = left.sql
        for part in (Span(months=span.months), Span(days=span.days)):
            if part != Span():
                local = f"({self.spelling.local(sql, zone)} {operator} {self.spelling.span(part)})"
                sql = self.spelling.moment(local, zone)
        rest = Span(microseconds=span.microseconds)
        return Expression(sql if rest == Span() else f"({sql} {operator} {self.spelling.span(rest)})", TIMESTAMPTZ)

    def _difference(self, left: Expression, right: Expression, lt: PgType, rt: PgType) -> Expression:
        """Days and time, as in PostgreSQL. Moments with a zone are taken in UTC: between them DuckDB counts months."""
        zoned = Oid.TIMESTAMPTZ in (lt.oid, rt.oid)
        sides = (self.as_type(side, TIMESTAMPTZ if zoned else TIMESTAMP).sql for side in (left, right))
        a, b = (f"CAST({sql} AS TIMESTAMP)" if zoned else sql for sql in sides)
        return Expression(f"({a} - {b})", INTERVAL)


def _result_width(operator: str, left: tuple[int, int], right: tuple[int, int]) -> int:
    """The most digits of a sum, difference or product of two exact numbers of these (digits, scale)."""
    (w1, s1), (w2, s2) = left, right
    return w1 + w2 if operator == "*" else max(w1 - s1, w2 - s2) + max(s1, s2) + 1


def _prefix(pattern: str | None, escape: str) -> str:
    if pattern is None:
        return ""
    fixed = pattern
    for special in ("%", "_", escape):
        fixed = fixed.partition(special)[0] if special else fixed
    return fixed


def _is_portable(pattern: str) -> bool:
    """Patterns that POSIX ARE, RE2 and Java read alike: no back-references, look-around, POSIX classes or escapes."""
    return not any(odd in pattern for odd in ("\\", "(?", "[[", "[:", "***", "*?", "+?", "{,"))
