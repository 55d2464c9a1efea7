"""PostgreSQL's errors as ours: same SQLSTATE, message, detail and hint."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg_pool

from catalog.errors import CannotConnectNow, SqlError, error_class


@contextmanager
def as_sql_errors() -> Iterator[None]:
    """Within it, an error of the metastore's server is raised as the `SqlError` of its SQLSTATE.

    A server that cannot be reached is 57P03: the client may try again.
    """
    try:
        yield
    except psycopg_pool.PoolTimeout as error:
        raise CannotConnectNow("the metastore is too busy", hint="Try again later.") from error
    except psycopg.Error as error:
        if isinstance(error.__cause__, SqlError):
            raise error.__cause__ from error
        if error.sqlstate is None:
            raise CannotConnectNow("the metastore cannot be reached", hint="Try again later.") from error
        found = error.diag
        message = found.message_primary or str(error)
        raise error_class(error.sqlstate)(message, detail=found.message_detail, hint=found.message_hint) from error
