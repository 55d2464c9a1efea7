"""psql 18: what a person sees. Text is compared with what psql shows on a PostgreSQL that has the same empty tables."""

import re
import subprocess
from dataclasses import dataclass

import pexpect
import pytest

from tests.drivers.libpq import complaints, environment
from tests.fix_oracle import BINARIES
from tests.processes import at_rest, until
from tests.target import Target

pytestmark = pytest.mark.driver

PSQL = BINARIES / "psql"
ENDLESS = (
    "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount;"
)
LOOP = "SELECT count(*) FROM tpch.lineitem, tpch.partsupp WHERE l_comment < ps_comment;"
"""A loop of Spark's heeds an interrupt now and then: this one within a second or two."""
DESCRIBED_ALIKE = (
    r"\d tpch.lineitem",
    r"\d tpch.orders",
    r"\d sample.every_type",
    r"\d+ tpch.nation",
    r"\d tpch.nothing",
    r"\df",
    r"\dv tpch.*",
    r"\di tpch.*",
    r"\dT tpch.*",
)
REFUSED_ALIKE = (
    "SELEC 1;",
    "SELECT o_orderkey,\n       nothing\nFROM tpch.orders;",
    "SELECT 1 FROM tpch.nothing;",
    "SELECT 'ünïcode', nothing FROM tpch.orders;",
    "SELECT count(* FROM tpch.orders;",
    "SELECT 1 FROM tpch.orders WHERE o_orderkey = 'ten';",
    "SELECT 1; SELECT nothing FROM tpch.orders; SELECT 2;",
)


@dataclass(frozen=True, slots=True)
class Shown:
    out: str
    err: str


def psql(target: Target, *commands: str, options: tuple[str, ...] = ()) -> Shown:
    """Runs commands, each as with -c, without a start-up file."""
    arguments = [argument for command in commands for argument in ("-c", command)]
    done = subprocess.run(
        [PSQL, "-X", *options, *arguments],
        env={**environment(target), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Shown(done.stdout, complaints(done.stderr))


@pytest.mark.parametrize("command", DESCRIBED_ALIKE)
def test_described_as_postgresql_does(bare_oracle: Target, gateway: Target, command: str) -> None:
    wanted = psql(bare_oracle, command)
    assert wanted != Shown("", "")
    assert psql(gateway, command) == wanted


@pytest.mark.parametrize("statement", REFUSED_ALIKE)
def test_refused_as_postgresql_does(bare_oracle: Target, gateway: Target, statement: str) -> None:
    wanted = psql(bare_oracle, statement)
    assert re.search(r"^ +\^$", wanted.err, re.MULTILINE)
    assert psql(gateway, statement) == wanted


@pytest.mark.parametrize("command", [r"\dt", r"\d", r"\dt tpch.*", r"\dt *.every_type"])
def test_lists_tables(bare_oracle: Target, gateway: Target, command: str) -> None:
    """Alike but for the owner."""
    listings = [
        [
            line.rsplit("|", 1)[0]
            for line in psql(target, "SET search_path = tpch", command, options=("-At",)).out.splitlines()
        ]
        for target in (bare_oracle, gateway)
    ]
    assert listings[1] == listings[0]
    assert len(listings[0]) > 1


def test_lists_databases_and_schemas(gateway: Target) -> None:
    databases = [line.split("|")[0] for line in psql(gateway, r"\l", options=("-At",)).out.splitlines() if "|" in line]
    assert databases == [gateway.database]
    until_16 = "SELECT datname, daticulocale = datlocale FROM pg_catalog.pg_database d"  # What psql 15 and 16 ask.
    assert psql(gateway, until_16, options=("-At",)).out == f"{gateway.database}|t\n"
    schemas = [line.split("|")[0] for line in psql(gateway, r"\dn+", options=("-At",)).out.splitlines()]
    assert {"tpch", "sample"} <= set(schemas)


def test_speaks_tls(gateway: Target) -> None:
    assert "SSL Connection|true" in psql(gateway, r"\conninfo", options=("-At",)).out


def test_copies_nothing_and_says_so(gateway: Target) -> None:
    assert "ERROR:" in psql(gateway, "COPY tpch.nation TO PROGRAM 'cat'").err


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM tpch.nation ORDER BY 1", "SELECT * FROM sample.every_type ORDER BY id"]
)
def test_shows_rows_alike(oracle: Target, gateway: Target, statement: str) -> None:
    wanted = psql(oracle, "SET timezone = 'America/New_York'", statement)
    assert psql(gateway, "SET timezone = 'America/New_York'", statement) == wanted


@pytest.mark.parametrize("statement", ["SELECT n_name FROM tpch.nation WHERE n_nationkey = $1 \\bind 7 \\g"])
def test_binds(oracle: Target, gateway: Target, statement: str) -> None:
    """`\\bind` is the extended protocol."""
    for target in (oracle, gateway):
        assert "GERMANY" in from_script(target, statement).out


def from_script(target: Target, script: str, *options: str) -> Shown:
    done = subprocess.run(
        [PSQL, "-X", *options],
        env={**environment(target), "LC_ALL": "C.UTF-8"},
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    return Shown(done.stdout, complaints(done.stderr))


def test_fetch_count_reads_in_pieces(oracle: Target, gateway: Target) -> None:
    script = "\\set FETCH_COUNT 1000\nSELECT o_orderkey FROM tpch.orders WHERE o_orderkey < 20000 ORDER BY 1;\n"
    wanted = from_script(oracle, script, "-At")
    assert wanted.out.count("\n") > 4000
    assert from_script(gateway, script, "-At") == wanted


def test_timing(target: Target) -> None:
    shown = psql(target, r"\timing on", "SELECT o_totalprice FROM tpch.orders WHERE o_orderkey = 1")
    assert re.search(r"^Time: \d+\.\d{3} ms", shown.out, re.MULTILINE)


def open_terminal(target: Target, locale: str = "C.UTF-8") -> pexpect.spawn:
    """A person's psql, past its first prompt."""
    child = pexpect.spawn(
        str(PSQL),
        ["-X", "-n", "--pset=pager=off"],
        env={**environment(target), "LC_ALL": locale, "TERM": "dumb"},
        encoding="utf-8",
        timeout=600,
        echo=False,
    )
    child.expect(f"{target.database}=[>#] ")
    return child


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_terminal_without_an_encoding(target: Target, locale: str) -> None:
    """psql asks for the encoding of a terminal's locale: SQL_ASCII, under which bytes pass as they are."""
    child = open_terminal(target, locale)
    child.sendline("SHOW client_encoding;")
    child.expect(r"SQL_ASCII\r\n\(1 row\)")
    child.sendline("SELECT 'größer als ' || n_name FROM tpch.nation WHERE n_nationkey = 7;")
    child.expect(r"größer als GERMANY\r\n\(1 row\)")
    child.sendline(r"\q")
    child.expect(pexpect.EOF)


def test_interrupt_on_duckdb(gateway: Target) -> None:
    interrupt_ends(open_terminal(gateway), ENDLESS)


def test_interrupt_on_spark(gateway: Target) -> None:
    child = open_terminal(gateway)
    child.sendline("SET lakegate.lane = spark;")
    child.expect("SET\r\n.*=[>#] ")
    interrupt_ends(child, LOOP)
    assert gateway.pid is not None
    until(at_rest(gateway.pid))


def test_interrupt_on_postgresql(oracle: Target) -> None:
    interrupt_ends(open_terminal(oracle), ENDLESS)


def interrupt_ends(child: pexpect.spawn, statement: str) -> None:
    """Ctrl-C, pressed again until the statement that it should end has begun. The last may come late, to the next."""
    child.sendline(statement)
    while child.expect(["canceling statement due to user request", pexpect.TIMEOUT], timeout=1) == 1:
        child.sendintr()
    late = True
    while late:
        child.sendline("SELECT count(*) AS nations FROM tpch.nation;")
        late = bool(child.expect([r"nations.*25\r\n\(1 row\)", "canceling statement due to user request"]))
    child.sendline(r"\q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
