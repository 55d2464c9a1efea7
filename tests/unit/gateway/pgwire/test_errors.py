"""Errors as fields, fields as errors, and what is shown of a bug."""

import logging

import pytest

from catalog.errors import SqlSyntaxError, UndefinedTable
from gateway.pgwire.codec import encode
from gateway.pgwire.errors import error_response, notice_response, presentable, sql_error


def test_every_field() -> None:
    error = UndefinedTable('relation "t" does not exist', detail="d", hint="h", position=15)
    assert error_response(error).fields == {
        "S": "ERROR",
        "V": "ERROR",
        "C": "42P01",
        "M": 'relation "t" does not exist',
        "D": "d",
        "H": "h",
        "P": "15",
    }
    assert dict(error_response(SqlSyntaxError("no"), "FATAL").fields) == {
        "S": "FATAL",
        "V": "FATAL",
        "C": "42601",
        "M": "no",
    }
    assert notice_response(SqlSyntaxError("no"), "WARNING").fields["V"] == "WARNING"


def test_a_text_that_the_wire_cannot_carry_is_mended() -> None:
    fields = error_response(SqlSyntaxError("a\0b\udcff", hint="\0")).fields
    assert (fields["M"], fields["H"]) == ("ab?", "")
    assert encode(error_response(SqlSyntaxError("a\0b\udcff")))


def test_there_and_back() -> None:
    sent = UndefinedTable("no", detail="d", hint="h", position=3)
    back = sql_error(error_response(sent).fields)
    assert type(back) is UndefinedTable
    assert vars(back) == {**vars(sent), "severity": "ERROR"}


@pytest.mark.parametrize("sqlstate", ["08P01", "28000", "3D000", "57P01"])
def test_an_error_of_another_server_ends_no_session_of_ours(sqlstate: str) -> None:
    assert error_response(sql_error({"C": sqlstate})).fields["S"] == "ERROR"


def test_an_error_of_a_server_that_says_little() -> None:
    error = sql_error({"C": "XX999", "P": "x"})
    assert (error.sqlstate, error.position) == ("XX999", None)
    assert sql_error({}).sqlstate == "XX000"


def test_a_bug_is_shown_by_an_id_that_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        shown = presentable(RuntimeError("secret"))
    assert shown.sqlstate == "XX000"
    assert "secret" not in str(error_response(shown).fields)
    incident = shown.message.rpartition(" ")[2]
    assert [incident in record.getMessage() for record in caplog.records] == [True]
    assert caplog.records[0].exc_info is not None


def test_an_error_fit_to_show_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    error = SqlSyntaxError("no")
    assert presentable(error) is error
    assert caplog.records == []
