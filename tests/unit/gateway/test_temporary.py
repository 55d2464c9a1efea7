"""What PostgreSQL's rows become on their way to an engine, and how many may take either way."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from catalog.errors import FeatureNotSupported, ProgramLimitExceeded
from catalog.names import TableName
from catalog.types import Oid, PgType, ResultColumn, numeric
from gateway.copy.staging import Limit, Staging
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import DataRow, NoticeResponse
from gateway.temporary.loans import Loan
from gateway.temporary.rows import RowReader
from gateway.temporary.transfers import Budget
from planner.loans import LentColumn, choose_columns, select_rows
from planner.parse import parse
from planner.plan import Dialect

NAME = TableName("", "t")
COLUMNS = (
    ResultColumn("a", PgType(Oid.INT4)),
    ResultColumn("b", numeric(6, 2)),
    ResultColumn("c", PgType(Oid.NAME)),
    ResultColumn("d", PgType(Oid.TIME)),
    ResultColumn("e", PgType(Oid.NUMERIC)),
)


def choose(text: str, columns: Sequence[ResultColumn] = COLUMNS) -> tuple[LentColumn, ...]:
    (statement,) = parse(text, Dialect.POSTGRES)
    return choose_columns(statement, NAME, columns)


def test_only_columns_that_can_be_meant_are_asked_for() -> None:
    chosen = choose("SELECT x.b FROM t x JOIN orders USING (a)")
    assert select_rows(NAME, chosen) == 'SELECT "a", "b"::pg_catalog.text FROM "t"'
    assert select_rows(NAME, choose("SELECT count(*) FROM t, orders")) == 'SELECT "a" FROM "t"'
    assert select_rows(NAME, choose("SELECT o.x FROM t, orders o", COLUMNS[3:4])) == 'SELECT 1 FROM "t"'


@pytest.mark.parametrize("text", ["SELECT * FROM t", "SELECT d FROM t", "SELECT 1 FROM t NATURAL JOIN orders"])
def test_a_column_without_counterpart_is_refused_by_name(text: str) -> None:
    with pytest.raises(FeatureNotSupported, match='column "d" of "t" is of type time without time zone'):
        choose(text)


def test_rows_become_a_batch() -> None:
    reader = RowReader(choose("SELECT a, b, c FROM t"))
    first = encode(DataRow(((1).to_bytes(4), b"-12.5", b"x"))) + encode(NoticeResponse({"M": "well"}))
    second = encode(DataRow((None, None, None)))
    assert reader.read(b"").num_rows == 0
    assert reader.read(encode(NoticeResponse({"M": "then"}))).num_rows == 0
    found = pa.Table.from_batches([reader.read(first + second), reader.read(second)])
    assert [str(row["c2"]) for row in found.to_pylist()] == ["-12.50", "None", "None"]
    assert found.column("c1").to_pylist() == [1, None, None]


def test_values_that_no_lakehouse_holds_are_refused() -> None:
    reader = RowReader(choose("SELECT b FROM t"))
    with pytest.raises(FeatureNotSupported, match='a value of column "b"'):
        reader.read(encode(DataRow((b"NaN",))))


def test_digits_are_bounded() -> None:
    (column,) = choose("SELECT e FROM t")
    assert column.measured(3, 2).type == numeric(5, 2)
    with pytest.raises(ProgramLimitExceeded, match='column "e" has numeric values of more than 38 digits'):
        column.measured(30, 9)


async def test_all_copies_go_though_a_file_cannot_be_ended(tmp_path: Path) -> None:
    reader, loan = RowReader(choose("SELECT a FROM t")), Loan()
    for name in ("one", "two"):
        staging = Staging(str(tmp_path / "staged" / name), reader.schema, Limit(1 << 20))
        loan.add(staging)
        staging.open()
        staging.add(reader.read(encode(DataRow(((1).to_bytes(4),)))))
        staging.finish()
    await loan.give_back()
    assert list((tmp_path / "staged").iterdir()) == []


def test_a_loan_is_bounded(tmp_path: Path) -> None:
    reader = RowReader(choose("SELECT a FROM t"))
    staging = Staging(str(tmp_path / "staged" / "one"), reader.schema, Limit(1, "no more than {} bytes", "Filter it."))
    staging.open()
    staging.add(reader.read(encode(DataRow(((1).to_bytes(4),))) * 1000))
    with pytest.raises(ProgramLimitExceeded, match="no more than 1 bytes"):
        staging.finish()
    staging.discard()
    assert list((tmp_path / "staged").iterdir()) == []


def test_a_transfer_is_bounded() -> None:
    budget = Budget(10)
    budget.spend(10)
    with pytest.raises(ProgramLimitExceeded, match="at most 10 bytes of lakehouse rows"):
        budget.spend(1)
