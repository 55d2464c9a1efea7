"""Statements as frames: scans cross once, parameters keep their types."""

import dataclasses

import pyarrow as pa
import pytest

from catalog.scans import DataFile, Scan, ScanColumn
from compute.statement import MAX_SHELVED, ScanShelf, Statement, pack_statement, unpack_statement
from compute.transport import Frame, FrameError, Kind

SCAN = Scan(
    "scan_0",
    "/tables/t",
    3,
    (ScanColumn("id", "id", "long", False), ScanColumn("day", "col-1", "date", True)),
    (DataFile("/tables/t/1.parquet", 100, ("2020-01-01",)), DataFile("/tables/t/2.parquet", 100, (None,))),
    True,
    "digest",
)


def test_a_statement_survives() -> None:
    parameters = pa.record_batch({"p1": pa.array([None], pa.decimal128(10, 2)), "p2": ["x"]})
    sent = Statement("select $p1", parameters, (SCAN,), {"TimeZone": "UTC"})
    assert unpack_statement(pack_statement(Kind.EXECUTE, 1, sent, ScanShelf()), ScanShelf()) == sent


def test_a_scan_crosses_once() -> None:
    ours, theirs = ScanShelf(), ScanShelf()
    again = dataclasses.replace(SCAN, relation="scan_5")
    unpack_statement(pack_statement(Kind.EXECUTE, 1, Statement("select 1", scans=(SCAN,)), ours), theirs)
    frame = pack_statement(Kind.EXECUTE, 2, Statement("select 1", scans=(again,)), ours)
    assert frame.control["scans"] == [{"relation": "scan_5", "digest": "digest"}]
    assert unpack_statement(frame, theirs).scans == (again,)


def test_both_shelves_are_cleared_together() -> None:
    ours, theirs = ScanShelf(), ScanShelf()
    for number in [*range(MAX_SHELVED + 10), *range(20)]:
        sent = Statement("select 1", scans=(dataclasses.replace(SCAN, digest=str(number)),))
        assert unpack_statement(pack_statement(Kind.EXECUTE, 1, sent, ours), theirs) == sent


@pytest.mark.parametrize(
    "control",
    [
        {},
        {"sql": "select 1", "scans": [{"relation": "s", "digest": "never seen"}], "settings": {}},
        {"sql": "select 1", "scans": [{"relation": "s", "files": []}], "settings": {}},
        {"sql": "select 1", "scans": 1, "settings": {}},
    ],
)
def test_malformed_statements_are_refused(control: dict[str, object]) -> None:
    with pytest.raises(FrameError):
        unpack_statement(Frame(Kind.EXECUTE, 1, control), ScanShelf())
