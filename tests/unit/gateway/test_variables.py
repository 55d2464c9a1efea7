"""Settings of a session follow PostgreSQL's SET, SET LOCAL, RESET, COMMIT and ROLLBACK."""

import pytest

from gateway.variables import Variables, read_duration, split_search_path

DEFAULTS = {"TimeZone": "UTC", "application_name": "", "search_path": '"$user", public'}


def test_names_have_no_case() -> None:
    variables = Variables(DEFAULTS)
    variables.set("TimeZone", "Europe/Berlin")
    assert variables["timezone"] == "Europe/Berlin"
    assert variables.current("TIMEZONE") == "Europe/Berlin"


def test_rollback_undoes_set_and_commit_keeps_it() -> None:
    variables = Variables(DEFAULTS)
    variables.set("TimeZone", "Asia/Tokyo")
    variables.end(commit=False)
    assert variables.current("TimeZone") == "UTC"
    variables.set("TimeZone", "Asia/Tokyo")
    variables.end(commit=True)
    assert variables.current("TimeZone") == "Asia/Tokyo"


def test_set_local_ends_with_the_block_and_set_after_it_wins() -> None:
    variables = Variables(DEFAULTS)
    variables.set("TimeZone", "Asia/Tokyo", local=True)
    assert variables.current("TimeZone") == "Asia/Tokyo"
    variables.end(commit=True)
    assert variables.current("TimeZone") == "UTC"
    variables.set("TimeZone", "Asia/Tokyo", local=True)
    variables.set("TimeZone", "Europe/Paris")
    variables.end(commit=True)
    assert variables.current("TimeZone") == "Europe/Paris"


def test_reset_goes_back_to_the_start_up_packet() -> None:
    variables = Variables(DEFAULTS)
    variables.start({"application_name": "psql"})
    variables.set("application_name", "other")
    variables.reset("application_name")
    assert variables.current("application_name") == "psql"
    variables.set("TimeZone", "Asia/Tokyo")
    variables.reset(None)
    assert dict(variables) == {"application_name": "psql"}


def test_a_local_default_ends_with_the_block() -> None:
    variables = Variables(DEFAULTS)
    variables.start({"application_name": "psql"})
    for name in DEFAULTS:
        variables.set(name, "mine")
    variables.end(commit=True)
    for name in DEFAULTS:
        variables.set(name, None, local=True)
    assert dict(variables) == {"application_name": "psql"}
    variables.end(commit=True)
    assert [variables.current(name) for name in DEFAULTS] == ["mine"] * 3


def test_going_back_to_a_mark_undoes_what_was_set_since() -> None:
    variables = Variables(DEFAULTS)
    variables.set("TimeZone", "Asia/Tokyo")
    mark = variables.mark()
    epoch = variables.epoch
    variables.go_back(mark)
    assert variables.epoch == epoch
    variables.set("application_name", "mine")
    variables.set("TimeZone", "Europe/Rome", local=True)
    variables.go_back(mark)
    assert dict(variables) == {"timezone": "Asia/Tokyo"}
    variables.end(commit=False)
    assert dict(variables) == {}


def test_reported_settings_are_told_once_and_again_when_they_change() -> None:
    variables = Variables(DEFAULTS)
    assert dict(variables.unreported()) == DEFAULTS
    assert variables.unreported() == []
    variables.set("timezone", "Asia/Tokyo")
    assert variables.unreported() == [("TimeZone", "Asia/Tokyo")]


def test_every_change_has_its_own_epoch() -> None:
    variables = Variables(DEFAULTS)
    before = variables.epoch
    variables.set("TimeZone", "Asia/Tokyo")
    assert variables.epoch > before


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ('"$user", public', ("ann", "public")),
        ("TPCH,public", ("tpch", "public")),
        ('"Mixed Case", "a""b", x', ("Mixed Case", 'a"b', "x")),
        ('"a,b"', ("a,b",)),
        ("", ()),
    ],
)
def test_search_path_is_folded_and_unquoted(value: str, path: tuple[str, ...]) -> None:
    assert split_search_path(value, "ann") == path


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", None), ("1", 0.001), ("250ms", 0.25), ("5s", 5.0), ("1min", 60.0), ("2h", 7200.0), ("1d", 86400.0)],
)
def test_durations_as_postgresql_spells_them(value: str, seconds: float | None) -> None:
    assert read_duration(value) == seconds
