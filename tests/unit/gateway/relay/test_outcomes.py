"""What an answered exchange means."""

import pytest

from catalog.errors import QueryCanceled
from gateway.relay import BackendLost, StatementTimeout, report_of
from gateway.relay.outcomes import error_of, is_repeatable, leaves_state
from gateway.relay.requests import Call
from tests.unit.gateway.relay.exchanges import answered, failed


@pytest.mark.parametrize(
    ("text", "tag", "rows", "leaves"),
    [
        ("SELECT 1", "SELECT 1", True, False),
        ("SHOW work_mem", "SHOW", True, False),
        ("SELECT 1 INTO TEMP t", "SELECT 1", False, True),
        ("EXPLAIN (COSTS off) SELECT 1", "EXPLAIN", True, False),
        ("EXPLAIN (Analyse, COSTS off) SELECT 1", "EXPLAIN", True, True),
        ('EXPLAIN (U&"an\\0061lyze") SELECT 1', "EXPLAIN", True, True),
        ("CREATE TEMP TABLE t ()", "CREATE TABLE", False, True),
        ("PREPARE p AS SELECT 1", "PREPARE", False, True),
        ("INSERT INTO t VALUES (1)", "INSERT 0 1", False, False),
        ("UPDATE t SET a = 1 RETURNING a", "UPDATE 1", True, False),
        ("COMMIT", "COMMIT", False, False),
    ],
)
def test_what_leaves_state(text: str, tag: str, rows: bool, leaves: bool) -> None:
    assert leaves_state(answered(tag, rows=rows), Call(text)) is leaves


def test_postgresqls_error_keeps_its_report() -> None:
    error = error_of(failed("57014"), overdue=False)
    assert isinstance(error, QueryCanceled)
    assert error.position == 7
    report = report_of(error)
    assert report is not None
    assert report.fields["S"] == "ERROR"


def test_errors_of_the_relay() -> None:
    timeout = error_of(failed("57014"), overdue=True)
    assert isinstance(timeout, StatementTimeout)
    assert report_of(timeout) is None
    assert not isinstance(error_of(failed("22012"), overdue=True), StatementTimeout)
    lost = failed("57P01")
    lost.lost = True
    error = error_of(lost, overdue=False)
    assert isinstance(error, BackendLost)
    assert error.detail == "canceled"
    assert error_of(answered("SELECT 1", rows=True), overdue=False) is None


@pytest.mark.parametrize(
    ("call", "repeatable"),
    [
        (Call("SELECT 1"), True),
        (Call("SELECT $1::int", values=(b"1", None)), True),
        (Call("SELECT date 'today'"), False),
        (Call("SELECT $1::date", values=(b"Yesterday",)), False),
    ],
)
def test_what_may_be_given_again(call: Call, repeatable: bool) -> None:
    assert is_repeatable(call, answered("SELECT 1", rows=True)) is repeatable
    assert not is_repeatable(call, answered("INSERT 0 1", rows=True))
    assert not is_repeatable(call, answered("SELECT 1", rows=False))
