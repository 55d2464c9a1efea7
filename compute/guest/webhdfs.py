"""The requests of Hadoop's own client for file systems over HTTP, as far as reading goes, and the answers to them.

Spark knows tables by their folders: it lists a table's log and opens what the log names. This client, which Spark
brings along, needs no more than status, listing and ranges, so that the tree of a statement's files is a file system
to it.

References: Apache Hadoop, "WebHDFS REST API".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

from compute.guest.tree import TreeFile

PREFIX = "/webhdfs/v1"
BLOCK_BYTES = 128 << 20
_DIRECT = "direct"
"""Tells the second step of OPEN, to which the first redirects."""


@dataclass(frozen=True, slots=True)
class Request:
    """`operation` is in upper case. `direct` says that the bytes are wanted, from `offset` to the end of the file."""

    path: str
    operation: str
    offset: int
    direct: bool


def parse_request(target: str) -> Request:
    """Of the request's target, which begins with `PREFIX`. Raises ValueError."""
    split = urlsplit(target)
    query = {name.lower(): values[0] for name, values in parse_qs(split.query).items()}
    path = unquote(split.path.removeprefix(PREFIX), errors="strict").rstrip("/") or "/"
    offset = int(query.get("offset", "0"))
    if offset < 0 or not path.startswith("/"):
        raise ValueError("neither a place in a file nor a path")
    return Request(path, query.get("op", "").upper(), offset, _DIRECT in query)


def direct_location(origin: str, path: str) -> str:
    """Where the client is sent for the bytes of a file: to `origin`, which is ourselves."""
    return f"{origin.rstrip('/')}{PREFIX}{quote(path)}?op=OPEN&{_DIRECT}=true"


def describe_status(file: TreeFile | None) -> bytes:
    """Of a file, or of a folder (None)."""
    return _json({"FileStatus": _status("", file)})


def describe_children(children: Mapping[str, TreeFile | None]) -> bytes:
    """Of a folder, in the order of their names."""
    return _json({"FileStatuses": {"FileStatus": [_status(name, children[name]) for name in sorted(children)]}})


def describe_error(kind: str, message: str) -> bytes:
    """What the client raises again: `kind` is a class of Java's."""
    return _json({"RemoteException": {"exception": kind.rpartition(".")[2], "javaClassName": kind, "message": message}})


def _status(name: str, file: TreeFile | None) -> Mapping[str, object]:
    return {
        "pathSuffix": name,
        "type": "DIRECTORY" if file is None else "FILE",
        "length": 0 if file is None else file.size,
        "modificationTime": 0 if file is None else file.modified,
        "accessTime": 0,
        "blockSize": 0 if file is None else BLOCK_BYTES,
        "replication": 0 if file is None else 1,
        "permission": "555" if file is None else "444",
        "owner": "root",
        "group": "root",
    }


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
