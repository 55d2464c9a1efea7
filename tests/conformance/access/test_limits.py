"""Access tokens, routing, balancers, other policies for certificates, and too many failures: on whole gateways."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from catalog.catalog import Catalog
from catalog.postgres import EmbeddedPostgres
from catalog.verifier import build_verifier
from gateway.cli import main
from tests.certificates import Authority
from tests.conformance.access.conftest import CLEAR, PASSWORD, Estate, running_estate
from tests.fix_gateway import LAKEGATE
from tests.issuer import running_issuer
from tests.unit.gateway.pgwire.test_proxy import header

WRONG = "password authentication failed for user"


MOMENT = 1000
"""Tries. A gateway hears of a new or a revoked token by a notice of the metastore, a moment later."""


def lakegate_token(estate: Estate, *arguments: str) -> str:
    """The output of the command, which works while the gateway runs."""
    done = CliRunner().invoke(main, ["token", arguments[0], "--data", str(estate.data), *arguments[1:]])
    assert done.exit_code == 0, done.output
    return done.output.strip()


def connect_soon(estate: Estate, user: str, token: str, **options: Any) -> psycopg.Connection:
    """By a token that was made just now."""
    for _ in range(MOMENT):
        with suppress(psycopg.OperationalError):
            return estate.connect(user, token, **options)
    return estate.connect(user, token, **options)


def await_refusal(estate: Estate, user: str, token: str) -> None:
    """A token that was revoked just now."""
    refusal = ""
    for _ in range(MOMENT):
        try:
            estate.connect(user, token).close()
        except psycopg.OperationalError as error:
            refusal = str(error)
            break
    assert WRONG in refusal


@pytest.mark.parametrize("user", ["ann", "tom"])
def test_an_access_token_lives_from_making_to_revoking(estate: Estate, user: str) -> None:
    """It is sent as the password, never in the clear, beside the password and for a role that has none."""
    token = lakegate_token(estate, "create", "--user", user, "--label", "laptop")
    connect_soon(estate, user, token, channel_binding="require", require_auth="scram-sha-256").close()
    listed = [line.split("\t") for line in lakegate_token(estate, "list").splitlines()]
    [mine] = [fields for fields in listed if (fields[1], fields[-1]) == (user, "laptop")]
    assert mine[3:] == ["reads and writes", "all workspaces", "laptop"]
    assert token not in str(listed)
    lakegate_token(estate, "revoke", mine[0])
    await_refusal(estate, user, token)


def test_the_command_by_itself(estate: Estate) -> None:
    command: list[str | Path] = [LAKEGATE, "token", "create", "--data", estate.data, "--user", "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, 'Error: role "nobody" does not exist, or may not log in\n')


def test_a_metastore_that_does_not_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["token", "list", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "does the gateway run" in done.output


def test_a_token_in_the_clear_where_that_is_the_way(estate: Estate) -> None:
    token = lakegate_token(estate, "create", "--user", CLEAR)
    connect_soon(estate, CLEAR, token, require_auth="password").close()


def test_a_token_that_only_reads(estate: Estate) -> None:
    token = lakegate_token(estate, "create", "--user", "admin", "--read-only")
    with connect_soon(estate, "admin", token) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class").fetchone() is not None
        for statement in ("CREATE SCHEMA mine", "CREATE ROLE other LOGIN", "ALTER ROLE admin PASSWORD 'x'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for reading only"):
                connection.execute(statement)


def test_a_token_for_another_workspace(estate: Estate) -> None:
    nowhere = ["token", "create", "--data", str(estate.data), "--user", "ann", "--workspace", "nowhere"]
    assert 'workspace "nowhere" does not exist' in CliRunner().invoke(main, nowhere).output
    asyncio.run(make_workspace(estate, "sales"))
    here = lakegate_token(estate, "create", "--user", "ann", "--workspace", "demo", "--label", "notebook")
    connect_soon(estate, "ann", here).close()
    with pytest.raises(psycopg.OperationalError, match='the access token "notebook" is not for workspace "sales"'):
        estate.connect("ann", here, dbname="sales")
    assert workspace_of(estate.connect("ann", dbname="sales")) == "sales"


async def make_workspace(estate: Estate, name: str) -> None:
    """As the gateway that runs would."""
    catalog = Catalog(EmbeddedPostgres(estate.data / "metastore"), warehouse_root=str(estate.data / "warehouse"))
    await catalog.open()
    await catalog.create_workspace(name)
    await catalog.close()


def test_a_new_password_keeps_tokens_and_a_ready_verifier_must_not_end_them(estate: Estate) -> None:
    with estate.target.connect() as admin:
        admin.execute(f"CREATE ROLE pat LOGIN PASSWORD '{PASSWORD}'".encode())
        token = lakegate_token(estate, "create", "--user", "pat")
        admin.execute("ALTER ROLE pat PASSWORD 'another'")
        connect_soon(estate, "pat", token).close()
        estate.connect("pat", "another").close()
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has access tokens"):
            admin.execute(f"ALTER ROLE pat PASSWORD '{build_verifier('third')}'".encode())


def workspace_of(connection: psycopg.Connection) -> str:
    with closing(connection):
        found = connection.execute("SELECT current_database()").fetchone()
    assert found is not None
    return str(found[0])


def test_the_name_and_options_lead_to_a_workspace(estate: Estate) -> None:
    named: dict[str, Any] = {"host": "demo.gateway.test", "hostaddr": "127.0.0.1"}
    assert workspace_of(estate.connect(dbname="", **named)) == "demo"
    assert workspace_of(estate.connect(dbname="", options="-c lakegate.workspace=demo")) == "demo"
    with pytest.raises(psycopg.OperationalError, match="names several workspaces"):
        estate.connect(dbname="other", **named)
    with pytest.raises(psycopg.OperationalError, match='warehouse "huge" is not declared'):
        estate.connect(options="-c lakegate.warehouse=huge")


@contextmanager
def balancer(port: int, preface: bytes) -> Iterator[int]:
    """Forwards one connection from 127.0.0.2, with a preface before its first byte. Yields its own port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def forward() -> None:
            client, _ = server.accept()
            with client, socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as upstream:
                upstream.sendall(preface)
                back = threading.Thread(target=pipe, args=(upstream, client))
                back.start()
                pipe(client, upstream)
                back.join()

        thread = threading.Thread(target=forward)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def pipe(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            sink.sendall(content)
        sink.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_balancers_client_is_known_by_its_own_address(estate: Estate, negotiation: str) -> None:
    options: dict[str, Any] = {"sslnegotiation": negotiation, "channel_binding": "require"}
    with (
        balancer(estate.target.port, header("198.51.100.7", 999)) as port,
        closing(estate.connect(port=port, **options)) as connection,
    ):
        query = "SELECT client_addr::text, client_port FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        assert connection.execute(query).fetchone() == ("198.51.100.7/32", 999)


def test_an_address_that_is_no_balancers_may_not_say_so(estate: Estate) -> None:
    with socket.create_connection((estate.target.host, estate.target.port)) as client:
        client.sendall(header())
        assert b"taken only once, and from the addresses of trusted balancers" in client.recv(4096)


def test_other_policies_and_too_many_failures(authority: Authority) -> None:
    """A certificate beside the password; and guesses, after which even the right password waits, for all alike."""
    extra = f"""
        [certificates]
        authority = "{authority.file}"
        proof = "beside"
        roles = {{ "the admin" = "admin", "somebody" = "eve" }}
        [logins]
        failures_per_user = 2
        window_seconds = 3600
    """
    with running_issuer(authority) as issuer, running_estate(issuer, authority, extra) as estate:
        right = estate.target.password
        pair, other = authority.issue("the admin", file="admin"), authority.issue("somebody")
        mine, others = ({"sslcert": file, "sslkey": file} for file in (pair, other))
        with pytest.raises(psycopg.OperationalError, match="requires a valid client certificate"):
            estate.connect("admin", right)
        with pytest.raises(psycopg.OperationalError, match='certificate authentication failed for user "admin"'):
            estate.connect("admin", right, **others)
        for user, certificate in (("admin", mine), ("eve", others)):
            for _ in range(1 if user == "admin" else 2):
                with pytest.raises(psycopg.OperationalError, match=f'{WRONG} "{user}"'):
                    estate.connect(user, "guess", **certificate)
            with pytest.raises(psycopg.OperationalError, match="too many failed log-ins"):
                estate.connect(user, right, **certificate)
