"""A metastore on somebody else's server, as RDS is: its owner is no superuser, and roles come in by password."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.errors import InsufficientPrivilege

from catalog.catalog import Catalog
from catalog.changes import CreateRole, CreateSchema, DropRole, Grant, GrantMembership, Privilege, RegisterTable
from catalog.external import ExternalPostgres
from catalog.names import TableName, TableReference
from catalog.principals import Principal
from tests.fix_oracle import running_postgres
from tests.lakes import write_table
from tests.target import Target

TABLE = TableName("sales", "orders")


@pytest.fixture(scope="module")
def provider() -> Iterator[Target]:
    """A server of its own: the roles and databases of a metastore are its cluster's."""
    with running_postgres() as target:
        yield target


@pytest.fixture
def external(provider: Target) -> ExternalPostgres:
    """Its customer's role, which may make databases and roles."""
    password = secrets.token_urlsafe()
    with psycopg.connect(provider.conninfo, autocommit=True) as connection:
        owner = sql.SQL("CREATE ROLE customer LOGIN CREATEDB CREATEROLE PASSWORD {}")
        connection.execute(owner.format(sql.Literal(password)))
    dsn = psycopg.conninfo.make_conninfo(
        host=provider.host, port=provider.port, user="customer", password=password, sslmode="disable"
    )
    return ExternalPostgres(dsn)


async def open_demo(external: ExternalPostgres, root: Path) -> tuple[Catalog, Principal]:
    catalog = Catalog(external, warehouse_root=str(root))
    await catalog.open()
    await catalog.bootstrap("admin", "only-for-tests")
    await catalog.create_workspace("demo")
    login = await catalog.login("admin", "demo")
    assert login is not None
    return catalog, login.principal


async def test_everything_works_without_a_superuser(external: ExternalPostgres, tmp_path: Path) -> None:
    made, admin = await open_demo(external, tmp_path)
    await made.apply(CreateSchema("sales"), admin, "demo")
    await made.close()
    catalog, admin = await open_demo(external, tmp_path)
    location = write_table(tmp_path / "t", {"id": [1]})
    for change in (
        RegisterTable(TABLE, location),
        CreateRole("team", None, login=False),
        CreateRole("ann", "hers", login=True),
        GrantMembership(("team",), ("ann",)),
        Grant(frozenset({Privilege.USAGE}), ("team",), schemas=("sales",)),
        Grant(frozenset({Privilege.SELECT}), ("team",), tables=(TABLE,)),
    ):
        await catalog.apply(change, admin, "demo")
    endpoint = await catalog.relay_endpoint("ann", "demo")
    assert endpoint.password not in (None, "hers")
    assert endpoint.password not in repr(endpoint)
    async with await AsyncConnection.connect(endpoint.conninfo(), autocommit=True) as connection:
        await connection.execute("PREPARE p AS SELECT id FROM sales.orders")
        with pytest.raises(InsufficientPrivilege):
            await connection.execute("EXECUTE p")
        asked = await connection.execute("SELECT lakegate.has_table_privilege('sales.orders', 'SELECT')")
        assert await asked.fetchall() == [(True,)]
    ann = await catalog.login("ann", "demo")
    assert ann is not None
    reference = TableReference("orders", "sales")
    assert reference in (await catalog.resolve(ann.principal, "demo", [reference], [])).tables
    await catalog.apply(GrantMembership(("team",), ("ann",), revoke=True), admin, "demo")
    await catalog.apply(DropRole(("ann",)), admin, "demo")
    await catalog.close()
