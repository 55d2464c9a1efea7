"""A PostgreSQL server that somebody else runs (RDS and the like), reached by a DSN. The other `Server` is embedded."""

from psycopg.conninfo import conninfo_to_dict

from catalog.endpoint import Endpoint


class ExternalPostgres:
    """`dsn` names the role that owns the metastore; it needs CREATEDB and CREATEROLE, not SUPERUSER.

    TLS is verified against the system's authorities unless the DSN's sslmode says otherwise.
    """

    uses_passwords = True

    def __init__(self, dsn: str) -> None:
        given = conninfo_to_dict(dsn)
        self._host = str(given.get("host") or "localhost")
        self._port = int(given.get("port") or 5432)
        self._user = str(given.get("user") or "postgres")
        self._password = given.get("password")
        self._sslmode = str(given.get("sslmode") or "verify-full")

    def owner_endpoint(self, database: str) -> Endpoint:
        password = None if self._password is None else str(self._password)
        return Endpoint(self._host, self._port, self._user, database, password, self._sslmode)

    def role_endpoint(self, role: str, database: str, password: str | None) -> Endpoint:
        return Endpoint(self._host, self._port, role, database, password, self._sslmode)
