"""URLs of Spark Connect servers."""

from pathlib import Path

import pytest

from compute.spark.client import Server
from compute.spark.remote import parse_remote


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("hidden\n")
    return file


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("sc://spark.example:15003", "spark.example:15003"),
        ("sc://spark.example", "spark.example:15002"),
        ("sc://spark.example/", "spark.example:15002"),
        ("sc://[::1]:15003/", "[::1]:15003"),
    ],
)
def test_a_server_has_an_address(url: str, address: str) -> None:
    assert parse_remote(url) == Server(address)


def test_a_token_comes_from_a_file_and_is_not_shown(token: Path) -> None:
    server = parse_remote("sc://spark.example/;use_ssl=true", token)
    assert (server.token, server.encrypted) == ("hidden", True)
    assert "hidden" not in repr(server)


def test_a_token_travels_in_the_clear_on_this_host_alone(token: Path) -> None:
    assert parse_remote("sc://127.0.0.1:15002", token).token == "hidden"
    with pytest.raises(ValueError, match="plain text"):
        parse_remote("sc://spark.example:15002", token)


@pytest.mark.parametrize(
    "url", ["spark.example:15002", "http://spark.example", "sc://", "sc://me@spark.example", "sc://spark.example?x=1"]
)
def test_others_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write sc://"):
        parse_remote(url)


@pytest.mark.parametrize(("option", "complaint"), [("token=abc", "seen by others"), ("user_id=me", "not known")])
def test_so_are_options_that_would_do_harm(option: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_remote(f"sc://spark.example/;{option}")
