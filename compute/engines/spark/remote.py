"""Spark elsewhere: the machine only relays to a Spark Connect server that somebody else runs."""

from collections.abc import Sequence
from pathlib import Path

from compute.engines import Binding, EngineOptions
from compute.engines.spark.session import Sessions, SparkSession
from compute.spark.client import ConnectSession
from compute.spark.configuration import session_settings
from compute.spark.java import PYSPARK
from compute.spark.remote import parse_remote

REMOTE_PROPERTY = "remote"
TOKEN_PROPERTY = "remote.token"
"""The file that holds the server's token."""


class RemoteSpark:
    """One session of the server a connection. Raises ValueError, OSError, ConnectError where it can't be reached."""

    name = "spark"
    version = PYSPARK.removeprefix("pyspark-")
    folders: Sequence[str] = ()

    def __init__(self, options: EngineOptions) -> None:
        assert options.scratch is not None, "a machine with spark is never forked from a template"
        token = options.properties.get(TOKEN_PROPERTY)
        self._server = parse_remote(options.properties[REMOTE_PROPERTY], None if token is None else Path(token))
        scratch = Path(options.scratch)
        (scratch / "tmp").mkdir(mode=0o700, exist_ok=True)
        self._sessions = Sessions(self._connect, scratch)
        self._sessions.wait()

    def bind(self, binding: Binding) -> None:
        """Nothing of the server belongs to a workspace before statements name that workspace's tables."""

    def open_session(self) -> SparkSession:
        return self._sessions.open()

    def close(self) -> None:
        self._sessions.close()

    def _connect(self) -> ConnectSession:
        session = ConnectSession(self._server)
        session.configure(session_settings())
        return session
