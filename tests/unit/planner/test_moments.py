"""Constants that to_date() and to_timestamp() read by a pattern; PostgreSQL is asked for their meaning elsewhere."""

import pytest

from catalog.errors import DatetimeFieldOverflow
from planner.dialects.expression import Unverified
from planner.dialects.moments import read_moment


def test_parts_are_read_in_any_order() -> None:
    assert read_moment("31.12.2024", "DD.MM.YYYY") == "2024-12-31 00:00:00"
    assert read_moment("2024-02-29 10:11:12.000500", "YYYY-MM-DD HH24:MI:SS.US") == "2024-02-29 10:11:12.000500"


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("2024-2-29", "YYYY-MM-DD"),
        ("2024-02-29 ", "YYYY-MM-DD"),
        ("2024/02/29", "YYYY-MM-DD"),
        ("\u0662\u0660\u0662\u0664-02-29", "YYYY-MM-DD"),
        ("2024-02", "YYYY-MM"),
        ("2024-02-29 02", "YYYY-MM-DD DD"),
        ("29 Feb 2024", "DD Mon YYYY"),
    ],
)
def test_what_is_not_written_so_is_refused(text: str, pattern: str) -> None:
    with pytest.raises(Unverified):
        read_moment(text, pattern)


@pytest.mark.parametrize("text", ["2023-02-29", "2024-13-01", "0000-01-01"])
def test_days_that_never_were(text: str) -> None:
    with pytest.raises(DatetimeFieldOverflow, match=text):
        read_moment(text, "YYYY-MM-DD")
