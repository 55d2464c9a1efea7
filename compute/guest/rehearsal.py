"""A rehearsal: the guest lends its engine to itself once, from HELLO to a table's rows.

What runs for the first time costs: modules are imported, classes loaded, pages touched, and an emulated processor's
code is translated. A template rehearses before it is saved; a clone does so once more, while nobody claims it, where
processors are emulated, since translations are not a part of a template.
"""

import json
import os
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.scans import DataFile, Scan, ScanColumn
from compute.guest.channel import Channel
from compute.guest.machine import Understudy
from compute.statement import ScanShelf, Statement, pack_statement
from compute.transport import Frame, Kind

_IDENTITY = {"hostname": "rehearsal", "seed": "00" * 64, "workspace": "", "warehouse": ""}
"""No machine serves anybody with it: the next one comes with a seed that nobody knows."""
_ROWS = {"id": [0, 1, 2], "name": ["a", "b", "c"]}
_COLUMNS = (ScanColumn("id", "id", "long", False), ScanColumn("name", "name", "string", False))
_PLACE = "/rehearsal"
"""Where the table lies, as an engine that reads by path is told."""
_BY_PATH = frozenset({"spark"})
"""Engines that do so."""
_STATEMENTS: Mapping[bool, Sequence[str]] = {
    False: ("SELECT 1 AS one", "SELECT id, name, now() AS now FROM scan_0 WHERE id > 0 ORDER BY name"),
    True: (
        "SELECT 1 AS one",
        f"SELECT a.name, count(*) AS n, sum(b.id) AS total, now() AS now FROM delta.`{_PLACE}` VERSION AS OF 0 AS a"
        f" JOIN delta.`{_PLACE}` VERSION AS OF 0 AS b USING (id) WHERE id > 0 GROUP BY a.name ORDER BY a.name",
    ),
}
"""By whether the engine reads by path."""


def rehearse(understudy: Understudy) -> None:
    """Runs statements as a pool would, and leaves the understudy behind. Raises RuntimeError where one fails: machines
    that have not rehearsed are slow for whoever comes first, and nothing else would tell."""
    by_path = understudy.engine in _BY_PATH
    with tempfile.TemporaryDirectory() as folder:
        paths = _write_table(Path(folder))
        files = [DataFile(f"{_PLACE}/{path.relative_to(folder)}", path.stat().st_size, ()) for path in paths]
        lent = tuple(files if by_path else [replace(files[0], path="")])
        scan = Scan("scan_0", _PLACE, 0, _COLUMNS, lent, True, "rehearsal", by_path)
        ours, theirs = socket.socketpair()
        conversation = Thread(target=understudy.converse, args=(theirs,), name="rehearsal", daemon=True)
        conversation.start()
        channel = Channel(ours)
        try:
            channel.send(Frame(Kind.IDENTITY, control=_IDENTITY | {"time_ns": time.time_ns()}))
            shelf = ScanShelf()
            for number, sql in enumerate(_STATEMENTS[by_path], 1):
                channel.send(pack_statement(Kind.EXECUTE, number, Statement(sql, scans=[scan]), shelf))
                _await_end(channel, paths)
        finally:
            channel.close()
            conversation.join()


def _write_table(folder: Path) -> Sequence[Path]:
    """A Delta table of one file, and its log: in that order."""
    data, log = folder / "0.parquet", folder / "_delta_log" / f"{0:020}.json"
    pq.write_table(pa.table(_ROWS), data)
    log.parent.mkdir()
    log.write_text("".join(f"{json.dumps(action)}\n" for action in _first_commit(data)))
    return data, log


def _first_commit(data: Path) -> Sequence[Mapping[str, Any]]:
    """References: Delta protocol, "Actions"."""
    fields = [{"name": c.name, "type": c.delta_type, "nullable": True, "metadata": {}} for c in _COLUMNS]
    metadata = {
        "id": "rehearsal",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": [],
        "configuration": {},
    }
    added = {"path": data.name, "partitionValues": {}, "size": os.path.getsize(data), "modificationTime": 0}
    return (
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": metadata},
        {"add": added | {"dataChange": True}},
    )


def _await_end(channel: Channel, paths: Sequence[Path]) -> None:
    """Answers READs from those files until the statement is over."""
    while (frame := channel.receive()) is None or frame.kind is not Kind.DONE:
        if frame is None or frame.kind is Kind.ERROR:
            raise RuntimeError(f"the rehearsal failed: {frame and frame.control}")
        if frame.kind is Kind.READ:
            content = _read(paths[frame.control["file"]], frame.control["offset"], frame.control["length"])
            channel.send(Frame(Kind.DATA, control={"read": frame.control["read"]}, body=pa.py_buffer(content)))


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)
