"""Spark's errors in PostgreSQL's terms."""

import pytest

from catalog.errors import FeatureNotSupported, MachineLost, QueryCanceled
from compute.engines.spark.errors import first_sentences, translate_error, translated
from compute.engines.spark.types import UnknownType
from compute.spark.client import ConnectError

DIVISION = """[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. \
If necessary set "spark.sql.ansi.enabled" to "false" to bypass this error. SQLSTATE: 22012
== SQL (line 1, position 8) ==
select 1/0
       ^^^"""


@pytest.mark.parametrize(
    ("sqlstate", "condition", "expected"),
    [
        ("22012", "DIVIDE_BY_ZERO", "22012"),
        ("22018", "CAST_INVALID_INPUT", "22P02"),
        ("42K03", "PATH_NOT_FOUND", "42P01"),
        ("42K09", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42804"),
        ("42P07", "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07"),
        ("23001", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "23514"),
        ("23502", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502"),
        ("2D521", "DELTA_CONCURRENT_APPEND", "40001"),
        ("KD001", "FAILED_READ_FILE.FILE_NOT_EXIST", "58030"),
        ("22003", "DELTA_VERSION_NOT_FOUND", "22023"),
        ("", "", "XX000"),
    ],
)
def test_states(sqlstate: str, condition: str, expected: str) -> None:
    assert translate_error(ConnectError("it failed", sqlstate=sqlstate, condition=condition)).sqlstate == expected


def test_a_full_disk_is_told_from_other_failures() -> None:
    message = (
        "Job aborted due to stage failure: java.nio.file.FileSystemException: /scratch/2a: No space left on device"
    )
    assert translate_error(ConnectError(message)).sqlstate == "53100"


def test_a_message_is_its_first_sentence_in_postgresqls_style() -> None:
    assert first_sentences(DIVISION) == "division by zero"
    assert first_sentences("[X.Y] `a` is odd. SQLSTATE: 42000; line 1 pos 7;\n'Project") == "`a` is odd"
    assert first_sentences("(org.apache.spark.SparkException) Job failed\n\tat a.b.C(D.java:1)") == "job failed"


def test_a_server_that_is_gone_is_a_lost_machine() -> None:
    assert isinstance(translate_error(ConnectError("connection refused", lost=True)), MachineLost)


def test_an_interrupt_is_a_cancel() -> None:
    assert isinstance(
        translate_error(ConnectError("x", sqlstate="HY008", condition="OPERATION_CANCELED")), QueryCanceled
    )


def test_a_type_that_results_cannot_hold_is_named() -> None:
    with pytest.raises(FeatureNotSupported, match="geometry"), translated():
        raise UnknownType("geometry")
