"""Where and how one role's backend connection is made: what the relay and the metastore's own pool both need."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from psycopg.conninfo import make_conninfo

PATIENCE_SECONDS = 10
"""For an answer, and for a connection."""
LIVELY = {
    "connect_timeout": PATIENCE_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 1000 * PATIENCE_SECONDS,
}
"""libpq's parameters by which a connection ends whose other side has gone without a word."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One role's way into one database. `host` is a socket folder (absolute path) or a host name.

    `password` None means `peer`: the operating system vouches for the gateway. `sslmode` is libpq's; a socket needs
    none.
    """

    host: str
    port: int
    user: str
    database: str
    password: str | None = field(default=None, repr=False)
    sslmode: str = "disable"

    @property
    def socket_path(self) -> str | None:
        """The Unix socket's path, None when the server is reached over TCP."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else None

    def conninfo(self, **more: Any) -> str:
        """The connection string for libpq; it holds the password, so it goes into no log."""
        return make_conninfo(
            host=self.host,
            port=self.port,
            user=self.user,
            dbname=self.database,
            password=self.password,
            sslmode=self.sslmode,
            **more,
        )


class Server(Protocol):
    """The PostgreSQL that holds a metastore: embedded, or an external one such as RDS."""

    @property
    def uses_passwords(self) -> bool:
        """Whether a role needs a password to connect (`scram`), or the operating system vouches for us (`peer`)."""

    def owner_endpoint(self, database: str) -> Endpoint:
        """As the role that owns the metastore."""

    def role_endpoint(self, role: str, database: str, password: str | None) -> Endpoint:
        """As a principal's own role."""
