"""Every way into a whole gateway with libpq: bound passwords, certificates, tokens; and what does not open it."""

import ctypes
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import pq

from catalog.verifier import build_verifier
from tests.conformance.access.conftest import BEARER, CLEAR, PASSWORD, Estate

OWN = "WHERE pid = pg_backend_pid()"
WRONG = "password authentication failed for user"


def who(connection: psycopg.Connection) -> str:
    with closing(connection):
        found = connection.execute("SELECT current_user").fetchone()
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_bound_password(estate: Estate, negotiation: str) -> None:
    options: dict[str, Any] = {
        "channel_binding": "require",
        "sslnegotiation": negotiation,
        "require_auth": "scram-sha-256",
    }
    assert who(estate.connect(**options)) == "ann"
    verified: dict[str, Any] = {"sslmode": "verify-full", "sslrootcert": estate.authority.file, "host": "localhost"}
    assert who(estate.connect(**options, **verified)) == "ann"


@pytest.mark.parametrize(
    ("options", "version", "ciphers"),
    [
        ({"ssl_min_protocol_version": "TLSv1.3"}, "TLSv1.3", "TLS_"),
        ({"ssl_max_protocol_version": "TLSv1.2"}, "TLSv1.2", "ECDHE-"),
        ({"sslmode": "disable"}, None, None),
    ],
)
def test_how_a_session_is_encrypted(
    estate: Estate, options: dict[str, str], version: str | None, ciphers: str | None
) -> None:
    with estate.connect(**options) as connection:
        told = connection.execute(f"SELECT * FROM pg_stat_ssl {OWN}").fetchall()
        gssapi = connection.execute(f"SELECT * FROM pg_stat_gssapi {OWN}").fetchall()
        pid = connection.info.backend_pid
    ((_, ssl, protocol, cipher, bits, *client),) = told
    assert (ssl, protocol, bits) == ((True, version, 256) if ciphers else (False, None, None))
    assert cipher is None if ciphers is None else cipher.startswith(ciphers)
    assert client == [None] * 3
    assert gssapi == [(pid, False, None, False, False)]


def test_how_others_are_connected_is_their_own(estate: Estate) -> None:
    with estate.connect(), estate.connect(CLEAR) as other:
        for view in ("pg_stat_ssl", "pg_stat_gssapi"):
            assert other.execute(f"SELECT pid FROM {view}").fetchall() == [(other.info.backend_pid,)]


@pytest.mark.parametrize("mode", ["disable", "require"])
@pytest.mark.parametrize(("user", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("tom", PASSWORD)])
def test_a_wrong_password_an_unknown_user_and_one_without(estate: Estate, mode: str, user: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=f'{WRONG} "{user}"'):
        estate.connect(user, password, sslmode=mode)


def test_an_unknown_workspace_tells_strangers_nothing(estate: Estate) -> None:
    with pytest.raises(psycopg.OperationalError, match=WRONG):
        estate.connect("ann", "wrong", dbname="nowhere")
    with pytest.raises(psycopg.OperationalError, match='database "nowhere" does not exist'):
        estate.connect(dbname="nowhere")


# Certificates


def shown(pair: Path) -> dict[str, Any]:
    return {"sslcert": pair, "sslkey": pair}


def test_a_certificate_is_enough_for_the_role_that_it_names(estate: Estate) -> None:
    pair = estate.authority.issue("carl")
    assert who(estate.connect("carl", None, **shown(pair), require_auth="none")) == "carl"
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        estate.connect("ann", None, **shown(pair))
    assert who(estate.connect("ann", **shown(pair))) == "ann", "a password stays a password"


def test_whose_certificate_it_is(estate: Estate) -> None:
    with estate.connect("carl", None, **shown(estate.authority.issue("carl"))) as connection:
        told = connection.execute(f"SELECT client_dn, client_serial > 0, issuer_dn FROM pg_stat_ssl {OWN}").fetchone()
        ends = connection.execute("SELECT inet_client_addr()::text, inet_client_port() > 0").fetchone()
    assert told is not None
    assert told[0] == "/CN=carl"
    assert told[1]
    assert told[2].startswith("/CN=")
    assert ends == ("127.0.0.1/32", True)


def test_a_certificate_of_nobody_here(estate: Estate) -> None:
    pair = estate.authority.issue("stranger")
    with pytest.raises(psycopg.OperationalError, match='certificate authentication failed for user "stranger"'):
        estate.connect("stranger", None, **shown(pair))


def test_a_certificate_that_has_expired_or_is_somebody_elses(estate: Estate, tmp_path: Path) -> None:
    expired = estate.authority.issue("carl", days=-1, file="expired")
    foreign = type(estate.authority)(tmp_path, name="foreign").issue("carl")
    for pair in (expired, foreign):
        with pytest.raises(psycopg.OperationalError, match=r"certificate|unknown ca|closed|SSL"):
            estate.connect("carl", None, **shown(pair))


# Tokens


def test_a_token_as_the_password(estate: Estate) -> None:
    assert who(estate.connect(CLEAR, estate.issuer.token(CLEAR), require_auth="password")) == CLEAR
    assert who(estate.connect(CLEAR)) == CLEAR, "the password works as well"


@pytest.mark.parametrize(
    "claims", [{"exp": 1}, {"aud": "other"}, {"sub": "ann"}, {"header": {"kid": "other"}}], ids=str
)
def test_a_token_that_is_not_accepted(estate: Estate, claims: dict) -> None:
    token = estate.issuer.token(**{"subject": CLEAR, "sub": CLEAR, **claims})
    with pytest.raises(psycopg.OperationalError, match=f'{WRONG} "{CLEAR}"'):
        estate.connect(CLEAR, token)


def test_a_token_of_a_user_that_there_is_not(estate: Estate) -> None:
    user = "nobody@clear.example"
    for password in (estate.issuer.token(user), PASSWORD):
        with pytest.raises(psycopg.OperationalError, match=f'{WRONG} "{user}"'):
            estate.connect(user, password)


def test_no_password_is_asked_for_in_the_clear(estate: Estate) -> None:
    with pytest.raises(psycopg.OperationalError, match=WRONG):
        estate.connect(CLEAR, estate.issuer.token(CLEAR), sslmode="disable")
    assert who(estate.connect(CLEAR, sslmode="disable", require_auth="scram-sha-256")) == CLEAR


# OAUTHBEARER, by libpq's own client


class BearerRequest(ctypes.Structure):
    """libpq's PGoauthBearerRequest."""

    _fields_ = (
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("async_", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    )


HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(BearerRequest))
BEARER_TOKEN = 1
"""PQAUTHDATA_OAUTH_BEARER_TOKEN."""


@contextmanager
def bearing(token: str) -> Iterator[list[tuple[bytes, bytes]]]:
    """libpq takes the token from here; yields what the server has told of where to get one."""
    told: list[tuple[bytes, bytes]] = []
    content = token.encode()

    def answer(kind: int, _: object, request: ctypes._Pointer) -> int:
        if kind != BEARER_TOKEN:
            return 0
        told.append((request.contents.openid_configuration, request.contents.scope))
        request.contents.token = content
        return 1

    hook = HOOK(answer)
    libpq = ctypes.CDLL(loaded_libpq())
    libpq.PQsetAuthDataHook(hook)
    try:
        yield told
    finally:
        libpq.PQsetAuthDataHook(None)


def loaded_libpq() -> str:
    """The library that psycopg uses in this process."""
    assert pq.version() >= 180000
    lines = Path("/proc/self/maps").read_text().splitlines()
    [path] = {line.split()[-1] for line in lines if "psycopg_binary.libs/libpq" in line}
    return path


def oauth(estate: Estate) -> dict[str, Any]:
    return {"oauth_issuer": estate.issuer.url, "oauth_client_id": "psql", "require_auth": "oauth"}


def test_libpq_discovers_the_issuer_and_bears_a_token(estate: Estate) -> None:
    with bearing(estate.issuer.token(BEARER)) as told:
        assert who(estate.connect(BEARER, None, **oauth(estate))) == BEARER
    assert told == [(f"{estate.issuer.url}/.well-known/openid-configuration".encode(), b"openid")]


@pytest.mark.parametrize("subject", ["ann", "nobody@bearer.example"])
def test_a_token_of_somebody_else(estate: Estate, subject: str) -> None:
    with bearing(estate.issuer.token(subject)):
        with pytest.raises(psycopg.OperationalError, match="OAuth bearer authentication failed for user"):
            estate.connect(BEARER, None, **oauth(estate))
        if subject != "ann":
            with pytest.raises(psycopg.OperationalError, match="OAuth bearer authentication failed for user"):
                estate.connect(subject, None, **oauth(estate))


def test_no_token_goes_in_the_clear(estate: Estate) -> None:
    with bearing(estate.issuer.token(BEARER)), pytest.raises(psycopg.OperationalError, match="over TLS only"):
        estate.connect(BEARER, None, sslmode="disable", **oauth(estate))


def test_a_ready_verifier_stays_a_password(estate: Estate) -> None:
    with estate.target.connect() as admin:
        verifier = build_verifier("by verifier", iterations=5000)
        admin.execute(f"CREATE ROLE vera LOGIN PASSWORD '{verifier}'".encode())
    assert who(estate.connect("vera", "by verifier", channel_binding="require")) == "vera"
