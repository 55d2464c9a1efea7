"""A statement as it crosses to a guest: SQL, parameters, scans and settings in one frame.

File lists are long and change seldom, so a scan crosses once a connection; afterwards its digest stands for it. Both
ends keep the scans of a connection in a `ScanShelf` and clear it at the same count, so they never disagree.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from catalog.scans import DataFile, Scan, ScanColumn
from compute.transport import Frame, FrameError, Kind

MAX_SHELVED = 256


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `parameters` has one row and columns p1, p2, ..., or is None."""

    sql: str
    parameters: pa.RecordBatch | None = None
    scans: Sequence[Scan] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


class ScanShelf:
    """The scans that one connection has seen, by digest."""

    def __init__(self) -> None:
        self._scans: dict[str, Scan] = {}

    def pack(self, scan: Scan) -> dict[str, Any]:
        """The scan as JSON; without its files where the other end has them."""
        if scan.digest in self._scans:
            return {"relation": scan.relation, "digest": scan.digest}
        self._put(scan)
        return _pack_scan(scan)

    def unpack(self, control: Mapping[str, Any]) -> Scan:
        """The scan that `pack` made JSON of. Raises FrameError."""
        try:
            if "files" not in control:
                return dataclasses.replace(self._scans[control["digest"]], relation=control["relation"])
            scan = _parse_scan(control)
        except (KeyError, TypeError, ValueError) as error:
            raise FrameError("malformed scan") from error
        self._put(scan)
        return scan

    def _put(self, scan: Scan) -> None:
        if len(self._scans) >= MAX_SHELVED:
            self._scans.clear()
        self._scans[scan.digest] = scan


def _pack_scan(scan: Scan) -> dict[str, Any]:
    """Files without the names of their fields: there may be very many."""
    files = [(file.path, file.size, file.partition, file.modified) for file in scan.files]
    return {**dataclasses.asdict(dataclasses.replace(scan, files=())), "files": files}


def _parse_scan(control: Mapping[str, Any]) -> Scan:
    columns = tuple(ScanColumn(**column) for column in control["columns"])
    files = tuple(DataFile(path, size, tuple(partition), time) for path, size, partition, time in control["files"])
    return Scan(**{**control, "columns": columns, "files": files})


def pack_statement(kind: Kind, number: int, statement: Statement, shelf: ScanShelf) -> Frame:
    """EXECUTE or DESCRIBE."""
    control = {
        "sql": statement.sql,
        "scans": [shelf.pack(scan) for scan in statement.scans],
        "settings": dict(statement.settings),
    }
    return Frame(kind, number, control, _pack_parameters(statement.parameters))


def unpack_statement(frame: Frame, shelf: ScanShelf) -> Statement:
    """The statement of an EXECUTE or DESCRIBE frame. Raises FrameError."""
    try:
        scans = tuple(shelf.unpack(scan) for scan in frame.control["scans"])
        return Statement(frame.control["sql"], _unpack_parameters(frame.body), scans, frame.control["settings"])
    except (KeyError, TypeError, pa.ArrowException) as error:
        raise FrameError("malformed statement") from error


def _pack_parameters(parameters: pa.RecordBatch | None) -> pa.Buffer | None:
    """Two messages, schema and batch; Arrow's writer and reader of streams take longer to make than they do."""
    if parameters is None:
        return None
    return pa.py_buffer(b"".join([parameters.schema.serialize(), parameters.serialize()]))


def _unpack_parameters(body: pa.Buffer | None) -> pa.RecordBatch | None:
    if body is None:
        return None
    source = pa.BufferReader(body)
    return pa.ipc.read_record_batch(source, pa.ipc.read_schema(source))
