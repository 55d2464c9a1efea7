"""Settings at start-up: how `options` is split, and what is validated without asking PostgreSQL."""

from typing import Any, cast

import pytest

from catalog.errors import InvalidName, InvalidParameterValue, SqlSyntaxError
from gateway.route import split_options
from gateway.settings import Verdicts, startup_settings


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("", {}),
        ("-c TimeZone=Asia/Tokyo", {"TimeZone": "Asia/Tokyo"}),
        ("-cTimeZone=UTC --search-path=a,b", {"TimeZone": "UTC", "search_path": "a,b"}),
        (r"-c search_path=a\ b,\\c", {"search_path": r"a b,\c"}),
        ("-c x=1=2", {"x": "1=2"}),
    ],
)
def test_options_are_split_as_postgresql_does(options: str, settings: dict[str, str]) -> None:
    assert dict(split_options(options)) == settings


@pytest.mark.parametrize("options", ["-d 5", "-c", "-c novalue", "word"])
def test_other_switches_are_refused(options: str) -> None:
    with pytest.raises(SqlSyntaxError):
        list(split_options(options))


def test_the_packet_itself_wins_over_its_options() -> None:
    parameters = {"user": "ann", "database": "demo", "options": "-c TimeZone=UTC", "TimeZone": "Asia/Tokyo"}
    assert startup_settings(parameters)["TimeZone"] == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["plpgsql.nothing", "PLpgSQL.nothing"])
def test_a_prefix_is_reserved_whatever_a_backend_has_loaded(name: str) -> None:
    with pytest.raises(InvalidName, match=f'invalid configuration parameter name "{name}"'):
        Verdicts().admit_assignment(name)


@pytest.mark.parametrize("value", ["EUC_JP", "SJIS", "UTF16", ""])
async def test_encodings_that_would_need_a_conversion_are_refused(value: str) -> None:
    with pytest.raises(InvalidParameterValue, match=f'client encoding "{value}" is not supported') as caught:
        await Verdicts().validate(cast("Any", None), "client_encoding", value)
    assert caught.value.hint == "Connect with client_encoding=UTF8."
