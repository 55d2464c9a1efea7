"""pgjdbc, the real driver in a JVM: fetch size, prepared parameters and results of every type, blocks, cancel."""

import threading
from decimal import Decimal
from typing import Any

import jpype
import pytest
from deltalake import DeltaTable

from tests import samples
from tests.blocks import rows as written
from tests.blocks import table_folder, things
from tests.drivers.jdbc import connected, rows
from tests.target import Target

pytestmark = [pytest.mark.driver, pytest.mark.usefixtures("java")]

ENDLESS = (
    "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount"
)
JDBC_TYPES = {
    "bool": "BOOLEAN",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "REAL",
    "float8": "DOUBLE",
    "numeric": "NUMERIC",
    "text": "VARCHAR",
    "bytea": "BINARY",
    "date": "DATE",
    "timestamptz": "TIMESTAMP_WITH_TIMEZONE",
    "timestamp": "TIMESTAMP",
}
SERVER_SIDE = {"prepareThreshold": "1", "binaryTransfer": "true"}


def java_value(column: str, value: Any) -> Any:
    """The Java object that a program would bind to such a column."""
    match column:
        case "bool":
            return jpype.JClass("java.lang.Boolean")(value)
        case "int2" | "int4":
            return jpype.JClass("java.lang.Integer")(value)
        case "int8":
            return jpype.JClass("java.lang.Long")(value)
        case "float4":
            return jpype.JClass("java.lang.Float")(value)
        case "float8":
            return jpype.JClass("java.lang.Double")(value)
        case "numeric":
            return jpype.JClass("java.math.BigDecimal")(str(value))
        case "bytea":
            return jpype.JArray(jpype.JByte)(value)
        case "date":
            return jpype.JClass("java.time.LocalDate").parse(value.isoformat())
        case "timestamp":
            return jpype.JClass("java.time.LocalDateTime").parse(value.isoformat())
        case "timestamptz":
            return jpype.JClass("java.time.OffsetDateTime").parse(value.isoformat())
    return jpype.JString(value)


def as_text(column: str, cell: Any) -> str | None:
    if cell is None:
        return None
    if column == "bytea":
        return bytes(cell).hex()
    return str(cell)


def test_fetch_size_reads_a_large_table_through_a_portal(target: Target) -> None:
    with connected(target) as connection:
        connection.setAutoCommit(False)
        statement = connection.createStatement()
        statement.setFetchSize(1000)
        result = statement.executeQuery("SELECT l_orderkey FROM tpch.lineitem")
        count, least, greatest = 0, 2**63, 0
        while result.next():
            key = result.getLong(1)
            count, least, greatest = count + 1, min(least, key), max(greatest, key)
        connection.commit()
    assert (count, least, greatest) == (600_572, 1, 600_000)


def test_closing_a_result_early_frees_its_portal(target: Target) -> None:
    with connected(target) as connection:
        connection.setAutoCommit(False)
        statement = connection.createStatement()
        statement.setFetchSize(10)
        result = statement.executeQuery("SELECT l_orderkey FROM tpch.lineitem")
        assert result.next()
        result.close()
        assert rows(connection.createStatement().executeQuery("SELECT count(*) FROM tpch.nation")) == [(25,)]
        connection.commit()


@pytest.mark.parametrize("column", JDBC_TYPES)
def test_parameters_of_every_type(target: Target, column: str) -> None:
    with connected(target, **SERVER_SIDE) as connection:
        statement = connection.prepareStatement(f'SELECT id FROM sample.every_type WHERE "{column}" = ? ORDER BY id')
        found = []
        for row in samples.ROWS:
            if row[column] is not None:
                statement.setObject(1, java_value(column, row[column]))
                found.append([int(key) for (key,) in rows(statement.executeQuery())])
    assert found == ([[1, 3], [1, 3], [4]] if column == "bool" else [[1], [3], [4]])


@pytest.mark.parametrize("column", JDBC_TYPES)
def test_null_parameter(target: Target, column: str) -> None:
    with connected(target, **SERVER_SIDE) as connection:
        statement = connection.prepareStatement(
            f'SELECT id FROM sample.every_type WHERE coalesce("{column}", ?) IS NULL'
        )
        statement.setNull(1, getattr(jpype.JClass("java.sql.Types"), JDBC_TYPES[column]))
        assert rows(statement.executeQuery()) == [(2,)]


@pytest.mark.parametrize("column", [*JDBC_TYPES, "int4_array", "text_array"])
def test_results_of_every_type_are_postgresql_s(oracle: Target, gateway: Target, column: str) -> None:
    """Text on the first execution, binary after it: the driver's own reading of both."""
    seen = []
    for server in (oracle, gateway):
        with connected(server, **SERVER_SIDE) as connection:
            statement = connection.prepareStatement(f'SELECT "{column}" FROM sample.every_type ORDER BY id')
            runs = [[as_text(column, cell) for (cell,) in rows(statement.executeQuery())] for _ in range(3)]
            meta = statement.executeQuery().getMetaData()
            described = (str(meta.getColumnTypeName(1)), meta.getPrecision(1), meta.getScale(1))
            seen.append((runs, described))
    assert seen[1] == seen[0]


@pytest.mark.parametrize("mode", ["simple", "extended", "extendedForPrepared", "extendedCacheEverything"])
def test_query_modes(target: Target, mode: str) -> None:
    with connected(target, preferQueryMode=mode) as connection:
        statement = connection.prepareStatement(
            "SELECT n_name FROM tpch.nation WHERE n_nationkey = ? AND n_name LIKE ?"
        )
        names = []
        for key, pattern in ((7, "G%"), (17, "P%"), (17, "G%")):
            statement.setInt(1, key)
            statement.setString(2, pattern)
            names.append([str(name) for (name,) in rows(statement.executeQuery())])
    assert names == [["GERMANY"], ["PERU"], []]


def test_booleans_are_read_rightly(target: Target) -> None:
    with connected(target) as connection:
        result = connection.createStatement().executeQuery(
            "SELECT bool FROM sample.every_type WHERE id IN (1, 4) ORDER BY id"
        )
        values = []
        while result.next():
            values.append(bool(result.getBoolean(1)))
    assert values == [True, False]


def test_autocommit_off_reads_one_version(target: Target) -> None:
    with connected(target) as connection:
        connection.setAutoCommit(False)
        query = "SELECT sum(o_totalprice) FROM tpch.orders WHERE o_orderkey < 1000"
        first = rows(connection.createStatement().executeQuery(query))
        second = rows(connection.createStatement().executeQuery(query))
        connection.rollback()
    assert first == second
    assert Decimal(str(first[0][0])) > 0


def test_error_in_a_block_needs_a_rollback(target: Target) -> None:
    failure = jpype.JClass("java.sql.SQLException")
    with connected(target) as connection:
        connection.setAutoCommit(False)
        states = []
        for query in ("SELECT nothing FROM tpch.nation", "SELECT count(*) FROM tpch.nation"):
            with pytest.raises(failure) as raised:
                connection.createStatement().executeQuery(query)
            states.append(str(raised.value.getSQLState()))
        connection.rollback()
        assert states == ["42703", "25P02"]
        assert rows(connection.createStatement().executeQuery("SELECT count(*) FROM tpch.nation")) == [(25,)]


def test_cancel(target: Target) -> None:
    with connected(target) as connection:
        statement = connection.createStatement()
        ended = threading.Event()

        def cancel() -> None:
            while not ended.wait(0.5):
                statement.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        try:
            with pytest.raises(jpype.JClass("java.sql.SQLException")) as raised:
                statement.executeQuery(ENDLESS)
        finally:
            ended.set()
            canceller.join()
        assert raised.value.getSQLState() == "57014"
        assert rows(connection.createStatement().executeQuery("SELECT count(*) FROM tpch.nation")) == [(25,)]


def test_query_timeout(target: Target) -> None:
    with connected(target) as connection:
        statement = connection.createStatement()
        statement.setQueryTimeout(1)
        with pytest.raises(jpype.JClass("java.sql.SQLException")) as raised:
            statement.executeQuery(ENDLESS)
        assert raised.value.getSQLState() == "57014"


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_login_that_is_bound_to_tls(gateway: Target, negotiation: str) -> None:
    """Java computes the certificate's hash by itself. The oracle's build has no TLS."""
    secured = {"sslmode": "require", "channelBinding": "require", "sslNegotiation": negotiation}
    with connected(gateway, **secured) as connection:
        rows = connection.createStatement().executeQuery("SELECT 1")
        assert rows.next()
        assert rows.getInt(1) == 1


@pytest.mark.spark
@pytest.mark.parametrize("autocommit", [False, True])
def test_a_batch_is_one_commit(target: Target, *, autocommit: bool) -> None:
    with things(target), connected(target) as connection, target.connect() as reader:
        connection.setAutoCommit(autocommit)
        statement = connection.prepareStatement("INSERT INTO written.things VALUES (?, ?)")
        for number in (4, 5):
            statement.setInt(1, number)
            statement.setString(2, f"word {number}")
            statement.addBatch()
        assert list(statement.executeBatch()) == [1, 1]
        if not autocommit:
            assert len(written(reader)) == 3
            connection.commit()
        assert written(reader)[3:] == [(4, "word 4"), (5, "word 5")]
        if target.is_gateway:
            assert DeltaTable(table_folder(target)).version() == 2
