"""A server under test, the gateway or the oracle, as a client sees it."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo


def of_waiting(notice: str | None) -> bool:
    """Whether a notice tells of a wait for machines, which comes and goes with what else this host does."""
    return (notice or "").startswith("compute is ")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to log in. `is_gateway` tells whether Lakegate's settings may be used; `pid` is the server's process.

    The server's certificate is for `host` and signed by the one in file `authority`, if there is one.
    """

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    is_gateway: bool = True
    pid: int | None = None
    authority: Path | None = None

    @classmethod
    def parse(cls, url: str, password: str, pid: int | None = None) -> "Target":
        """From a ready line's URL, which never holds the password."""
        parts = conninfo_to_dict(url)
        host, user, database = (str(parts[name]) for name in ("host", "user", "dbname"))
        return cls(host, int(str(parts["port"])), user, database, password, pid=pid)

    @property
    def conninfo(self) -> str:
        return make_conninfo(**self.keywords)

    @property
    def keywords(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
        }

    @property
    def sslmode(self) -> str:
        """The gateway speaks TLS, by default with a certificate of its own; the oracle has none."""
        if self.authority is not None:
            return "verify-full"
        return "require" if self.is_gateway else "disable"

    def url(self, scheme: str = "postgresql", **parameters: str) -> str:
        """As drivers want it that take one text, the password in it; `parameters` such as ``sslmode``."""
        login = f"{quote(self.user)}:{quote(self.password)}"
        pairs = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
        return f"{scheme}://{login}@{self.host}:{self.port}/{quote(self.database)}" + (f"?{pairs}" if pairs else "")

    @property
    def environment(self) -> dict[str, str]:
        """For libpq's programs; the password reaches them without a command line."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
        }

    @property
    def encryption(self) -> dict[str, str]:
        """More of libpq's variables."""
        return {"PGSSLMODE": self.sslmode} | ({"PGSSLROOTCERT": str(self.authority)} if self.authority else {})

    def as_user(self, user: str, password: str) -> "Target":
        """The same server for another user."""
        return replace(self, user=user, password=password)

    def connect(self, **options: Any) -> psycopg.Connection:
        return psycopg.connect(self.conninfo, **{"autocommit": True, **options})
