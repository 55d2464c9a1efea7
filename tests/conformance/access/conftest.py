"""A gateway whose access file has everything, its issuer, its authorities, and users who come by each way."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.certificates import Authority
from tests.fix_gateway import running_gateway
from tests.issuer import AUDIENCE, TokenIssuer, running_issuer
from tests.target import Target

BEARER, CLEAR = "bea@bearer.example", "cleo@clear.example"
PASSWORD = "only for tests"


@dataclass(frozen=True, slots=True)
class Estate:
    """`target` logs in as admin. `authority` signs the certificates of clients and of the gateway."""

    target: Target
    issuer: TokenIssuer
    authority: Authority
    data: Path

    def connect(self, user: str = "ann", password: str | None = PASSWORD, **options: Any) -> psycopg.Connection:
        """Over TLS, unless told otherwise."""
        keywords = {**self.target.keywords, "user": user, "password": password, "sslmode": "require", **options}
        return psycopg.connect(**{"autocommit": True, **keywords})


@contextmanager
def running_estate(issuer: TokenIssuer, authority: Authority, extra: str = "") -> Iterator[Estate]:
    """An access file with an issuer for each way, and what `extra` says."""
    trust = f'audience = "{AUDIENCE}"\nurl = "{issuer.url}"\nauthority = "{authority.file}"'
    with tempfile.TemporaryDirectory(prefix="lakegate-test-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        file = folder / "access.toml"
        file.write_text(
            f'[issuers.bearer]\n{trust}\nusers = ["*@bearer.example"]\n'
            f'[issuers.clear]\n{trust}\nusers = ["*@clear.example"]\nmethod = "password"\n{extra}'
        )
        pair, password = authority.issue("localhost"), secrets.token_urlsafe()
        settings = {"LAKEGATE_TLS_CERTIFICATE": str(pair), "LAKEGATE_TLS_KEY": str(pair)}
        options = ("--access", str(file), "--min-machines", "0")
        with running_gateway(folder / "data", password, options, settings) as target:
            yield Estate(target, issuer, authority, folder / "data")


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("access"))


@pytest.fixture(scope="package")
def estate(authority: Authority) -> Iterator[Estate]:
    """With balancers at 127.0.0.2, certificates that are enough, and routing by name."""
    extra = f"""
        [certificates]
        authority = "{authority.file}"
        [balancers]
        trusted = ["127.0.0.2/32"]
        [routing]
        domain = "gateway.test"
        [logins]
        failures_per_address = 10000
        failures_per_user = 10000
    """
    with running_issuer(authority) as issuer, running_estate(issuer, authority, extra) as running:
        with running.target.connect() as admin:
            for user in ("ann", CLEAR):
                admin.execute(f"CREATE ROLE \"{user}\" LOGIN PASSWORD '{PASSWORD}'".encode())
            for user in (BEARER, "carl", "tom"):
                admin.execute(f'CREATE ROLE "{user}" LOGIN'.encode())
        yield running
