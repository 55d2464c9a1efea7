"""Connections and results of pgjdbc, in the JVM of this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jpype

from tests.target import Target


@contextmanager
def connected(target: Target, **properties: str) -> Iterator[Any]:
    settings = jpype.JClass("java.util.Properties")()
    for name, value in {"user": target.user, "password": target.password, **properties}.items():
        settings.setProperty(name, value)
    url = f"jdbc:postgresql://{target.host}:{target.port}/{target.database}"
    connection = jpype.JClass("org.postgresql.Driver")().connect(url, settings)
    try:
        yield connection
    finally:
        connection.close()


def rows(result: Any, *columns: int) -> list[tuple[Any, ...]]:
    found = []
    while result.next():
        found.append(tuple(result.getObject(column) for column in columns or (1,)))
    return found
