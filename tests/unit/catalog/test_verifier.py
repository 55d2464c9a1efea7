"""SCRAM verifiers against the RFC's example and PostgreSQL's own rules."""

import base64

import pytest

from catalog.verifier import build_verifier, is_verifier, prepare_password

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def test_example_of_rfc_7677() -> None:
    """The keys belong to the exchange that RFC 7677 section 3 prints for user, pencil."""
    assert build_verifier("pencil", salt=SALT) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_salts_differ_and_the_password_is_not_in_it() -> None:
    first, second = build_verifier("secret"), build_verifier("secret")
    assert first != second
    assert is_verifier(first)
    assert "secret" not in first


@pytest.mark.parametrize(
    "text",
    ["", "secret", "SCRAM-SHA-256", "SCRAM-SHA-256$4096:salt$a:b", "md5" + "0" * 32, build_verifier("x") + "x"],
)
def test_what_is_no_verifier(text: str) -> None:
    assert not is_verifier(text)


@pytest.mark.parametrize(
    ("given", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0007", "\u0007"),
        ("\u0627\u0031", "\u0627\u0031"),
        ("", ""),
    ],
)
def test_saslprep(given: str, prepared: str) -> None:
    """RFC 4013 section 3; where it forbids a string, PostgreSQL takes the string as it is."""
    assert prepare_password(given) == prepared
