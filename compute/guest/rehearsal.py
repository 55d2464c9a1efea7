"""A rehearsal: the guest lends its engine to itself once, from HELLO to a table's rows.

What runs for the first time costs: modules are imported, pages are touched, and an emulated processor's code is
translated. A template rehearses before it is saved; a clone does so once more, while nobody claims it, where processors
are emulated, since translations are not a part of a template.
"""

import os
import socket
import tempfile
import time
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.scans import DataFile, Scan, ScanColumn
from compute.guest.channel import Channel
from compute.guest.machine import Understudy
from compute.statement import ScanShelf, Statement, pack_statement
from compute.transport import Frame, Kind

_IDENTITY = {"hostname": "rehearsal", "seed": "00" * 64, "workspace": "", "warehouse": ""}
"""No machine serves anybody with it: the next one comes with a seed that nobody knows."""
_COLUMNS = (ScanColumn("id", "id", "long", False), ScanColumn("name", "name", "string", False))
_STATEMENTS = ("SELECT 1 AS one", "SELECT id, name, now() AS now FROM scan_0 WHERE id > 0 ORDER BY name")


def rehearse(understudy: Understudy) -> None:
    """Runs statements as a pool would, and leaves the understudy behind."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        pq.write_table(pa.table({"id": range(3), "name": ["a", "b", "c"]}), file.name)
        ours, theirs = socket.socketpair()
        lent = Thread(target=understudy.converse, args=(theirs,), name="rehearsal", daemon=True)
        lent.start()
        channel = Channel(ours)
        channel.send(Frame(Kind.IDENTITY, control=_IDENTITY | {"time_ns": time.time_ns()}))
        shelf = ScanShelf()
        files = (DataFile("", os.path.getsize(file.name), ()),)
        scan = Scan("scan_0", "", 0, _COLUMNS, files, True, "rehearsal")
        for number, sql in enumerate(_STATEMENTS, 1):
            channel.send(pack_statement(Kind.EXECUTE, number, Statement(sql, scans=[scan]), shelf))
            _await_end(channel, file.name)
        channel.close()
        lent.join()


def _await_end(channel: Channel, path: str) -> None:
    """Answers READs from that file until the statement is over."""
    while (frame := channel.receive()) is not None and frame.kind not in (Kind.DONE, Kind.ERROR):
        if frame.kind is Kind.READ:
            content = _read(path, frame.control["offset"], frame.control["length"])
            channel.send(Frame(Kind.DATA, control={"read": frame.control["read"]}, body=pa.py_buffer(content)))


def _read(path: str, offset: int, length: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)
