"""Transaction blocks through the front door: status, settings, positions of errors, and one state of the tables."""

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from tests.processes import at_rest, until
from tests.target import Target

LANES = ("duckdb", "spark")


def use(connection: psycopg.Connection, lane: str) -> None:
    connection.execute(f"SET lakegate.lane = {lane}".encode())


@pytest.mark.parametrize("lane", LANES)
def test_status_goes_from_idle_to_transaction_to_error_and_back(connection: psycopg.Connection, lane: str) -> None:
    use(connection, lane)
    status = [connection.info.transaction_status]
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM tpch.region")
    status.append(connection.info.transaction_status)
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("SELECT 1 / (r_regionkey - r_regionkey) FROM tpch.region")
    status.append(connection.info.transaction_status)
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        connection.execute("SELECT count(*) FROM tpch.region")
    assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
    status.append(connection.info.transaction_status)
    assert status == [
        TransactionStatus.IDLE,
        TransactionStatus.INTRANS,
        TransactionStatus.INERROR,
        TransactionStatus.IDLE,
    ]


def test_begin_and_commit_out_of_place_warn(connection: psycopg.Connection) -> None:
    warnings: list[str | None] = []
    connection.add_notice_handler(lambda notice: warnings.append(notice.sqlstate))
    for statement in ("BEGIN", "BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "SET LOCAL TimeZone = 'Asia/Tokyo'"):
        connection.execute(statement.encode())
    assert warnings == ["25001", "25P01", "25P01", "25P01"]
    with pytest.raises(psycopg.errors.NoActiveSqlTransaction):
        connection.execute("COMMIT AND CHAIN")


def test_roles_do_not_change_in_a_block(connection: psycopg.Connection) -> None:
    connection.execute("BEGIN")
    with pytest.raises(psycopg.errors.FeatureNotSupported) as refusal:
        connection.execute("CREATE ROLE somebody")
    assert refusal.value.diag.message_hint
    connection.execute("ROLLBACK")


@pytest.mark.parametrize("read_only", ["BEGIN READ ONLY", "SET default_transaction_read_only = on"])
def test_nothing_is_written_where_that_is_forbidden(connection: psycopg.Connection, table: str, read_only: str) -> None:
    for write in ("INSERT INTO {} VALUES (2)", "DELETE FROM {}", "COMMENT ON TABLE {} IS 'x'"):
        connection.execute(read_only.encode())
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(write.format(table).encode())
        connection.execute("ROLLBACK")
    connection.execute("RESET default_transaction_read_only")
    assert connection.execute(f"SELECT a FROM {table}".encode()).fetchall() == [(1,)]


def test_a_block_reads_one_version_of_each_table(gateway: Target, connection: psycopg.Connection, table: str) -> None:
    count = f"SELECT count(*) FROM {table}".encode()
    connection.execute("BEGIN")
    assert connection.execute(count).fetchone() == (1,)
    with gateway.connect() as other:
        other.execute(f"INSERT INTO {table} VALUES (2)".encode())
        assert other.execute(count).fetchone() == (2,)
    for lane in LANES:
        use(connection, lane)
        assert connection.execute(count).fetchone() == (1,)
    connection.execute("COMMIT")
    for lane in LANES:
        use(connection, lane)
        assert connection.execute(count).fetchone() == (2,)


def test_now_is_one_moment_in_a_block(connection: psycopg.Connection) -> None:
    moments = set()
    connection.execute("BEGIN")
    for lane in LANES:
        use(connection, lane)
        moments |= {connection.execute("SELECT now() FROM tpch.region LIMIT 1").fetchone()}
        moments |= {connection.execute("SELECT now()").fetchone()}
    connection.execute("ROLLBACK")
    assert len(moments) == 1
    assert {connection.execute("SELECT now()").fetchone()} != moments


def test_settings_go_back_with_their_block(connection: psycopg.Connection) -> None:
    def zone() -> str:
        (value,) = connection.execute("SHOW TimeZone").fetchone() or ("",)
        return str(value)

    before = zone()
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("SET TimeZone = 'Asia/Tokyo'; SELECT 1 / 0")
    assert zone() == before
    connection.execute("BEGIN; SET TimeZone = 'Asia/Tokyo'")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        connection.execute("SELECT nope FROM tpch.region")
    connection.execute("ROLLBACK")
    assert zone() == before == connection.info.parameter_status("TimeZone")
    connection.execute("BEGIN; SET LOCAL TimeZone = 'Asia/Tokyo'")
    assert zone() == "Asia/Tokyo"
    connection.execute("COMMIT")
    assert zone() == before
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    connection.execute("RESET ALL")
    assert zone() == before


def test_a_pipeline_that_fails_undoes_its_settings(connection: psycopg.Connection) -> None:
    with connection.pipeline() as pipeline:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        connection.execute("SELECT 1 / 0")
        with pytest.raises(psycopg.errors.DivisionByZero):
            pipeline.sync()
    assert connection.execute("SHOW TimeZone").fetchone() != ("Asia/Tokyo",)


@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("relation", ["", " FROM tpch.region"])
def test_positions_count_characters_of_the_whole_text(
    connection: psycopg.Connection, relation: str, prepare: bool
) -> None:
    before = "/* ä */ \n" if prepare else "SELECT 'ä'; /* ä */"
    with pytest.raises(psycopg.errors.UndefinedColumn) as error:
        connection.execute(f"{before} SELECT nope{relation}".encode(), prepare=prepare)
    assert error.value.diag.statement_position == str(len(before) + len(" SELECT ") + 1)


@pytest.mark.parametrize("lane", LANES)
def test_statement_timeout_ends_lakehouse_queries(gateway: Target, connection: psycopg.Connection, lane: str) -> None:
    use(connection, lane)
    connection.execute("SET statement_timeout = '200ms'")
    with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
        connection.execute("SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b WHERE a.l_comment < b.l_comment")
    connection.execute("SET statement_timeout = 0")
    assert gateway.pid is not None
    until(at_rest(gateway.pid))
    assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_prepared_statements_of_both_kinds_are_deallocated(connection: psycopg.Connection) -> None:
    connection.execute("PREPARE p AS SELECT 1")
    assert connection.execute("EXECUTE p").fetchone() == (1,)
    connection.execute("DEALLOCATE p")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        connection.execute("EXECUTE p")
    connection.pgconn.prepare(b"q", b"SELECT 2")
    connection.execute("DEALLOCATE q")
    assert b"does not exist" in connection.pgconn.exec_prepared(b"q", []).error_message


def test_discard_all_leaves_nothing(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TEMP TABLE t (a integer)")
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    connection.pgconn.prepare(b"q", b"SELECT 2")
    connection.execute("DISCARD ALL")
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM t")
    assert connection.execute("SHOW TimeZone").fetchone() != ("Asia/Tokyo",)
    assert b"does not exist" in connection.pgconn.exec_prepared(b"q", []).error_message


def test_unknown_settings_of_ours_are_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedObject):
        connection.execute("SET lakegate.lanes = spark")
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        connection.execute("SET lakegate.lane = nowhere")


def test_settings_of_ours_are_shown(connection: psycopg.Connection) -> None:
    def shown() -> list[object]:
        asked = ("SHOW lakegate.lane", "SHOW lakegate.dialect", "SELECT current_setting('lakegate.lane')")
        return [connection.execute(each.encode()).fetchone() for each in asked]

    assert shown() == [("auto",), ("postgres",), ("auto",)]
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL lakegate.lane = duckdb")
        assert shown() == [("duckdb",), ("postgres",), ("duckdb",)]
    connection.execute("SET lakegate.lane = spark")
    assert shown() == [("spark",), ("postgres",), ("spark",)]
    connection.execute("RESET lakegate.lane")
    assert shown() == [("auto",), ("postgres",), ("auto",)]
