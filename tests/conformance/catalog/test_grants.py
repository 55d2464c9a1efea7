"""GRANT and REVOKE: who may what, told alike by the catalog and by the relay's answers, in PostgreSQL's words."""

import itertools

import psycopg
import pytest

from catalog.changes import (
    AlterRole,
    CreateRole,
    CreateSchema,
    DropRole,
    Grant,
    GrantMembership,
    Privilege,
    RegisterTable,
)
from catalog.errors import (
    DependentObjectsStillExist,
    InsufficientPrivilege,
    InvalidParameterValue,
    InvalidSchemaName,
    ObjectNotInPrerequisiteState,
    SqlError,
    UndefinedObject,
    UndefinedTable,
)
from catalog.names import TableName, TableReference
from catalog.principals import Principal
from tests.fix_metastore import Metastore
from tests.lakes import write_table

TABLE = TableName("sales", "orders")
OTHER = TableName("sales", "customers")
REFERENCE = TableReference("orders", "sales")
SELECT = frozenset({Privilege.SELECT})
USAGE = frozenset({Privilege.USAGE})
TABLE_PRIVILEGES = (Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE)


@pytest.fixture
async def sales(metastore: Metastore) -> Metastore:
    await metastore.apply(CreateSchema("sales"))
    for name in (TABLE, OTHER):
        location = write_table(metastore.warehouse / name.name, {"id": [1]})
        await metastore.apply(RegisterTable(name, location))
    return metastore


async def privileges(sales: Metastore, who: Principal) -> frozenset[Privilege]:
    return (await sales.resolve(REFERENCE, who=who)).tables[REFERENCE].privileges


async def answers(sales: Metastore, who: Principal) -> frozenset[Privilege]:
    """What the relay tells the user about himself."""
    endpoint = await sales.catalog.relay_endpoint(who.name, sales.workspace)
    async with await psycopg.AsyncConnection.connect(endpoint.conninfo()) as connection:
        query = """SELECT p FROM unnest(%s::text[]) p WHERE lakegate.has_table_privilege('sales.orders', p)
                   AND lakegate.has_table_privilege(%s, 'sales.orders', p)"""
        rows = await (await connection.execute(query, ([str(p) for p in TABLE_PRIVILEGES], who.name))).fetchall()
    return frozenset(Privilege(row[0]) for row in rows)


async def test_every_combination_is_told_alike(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(USAGE, (user.name,), schemas=("sales",)))
    for size in range(len(TABLE_PRIVILEGES) + 1):
        for wanted in map(frozenset, itertools.combinations(TABLE_PRIVILEGES, size)):
            await sales.apply(Grant(frozenset(TABLE_PRIVILEGES), (user.name,), tables=(TABLE,), revoke=True))
            await sales.apply(Grant(wanted, (user.name,), tables=(TABLE,)))
            assert await privileges(sales, user) == wanted
            assert await answers(sales, user) == wanted


@pytest.mark.parametrize("way", ["itself", "group", "group of a group", "public"])
async def test_ways_to_hold_a_privilege(sales: Metastore, way: str) -> None:
    inner, outer = sales.unique("inner"), sales.unique("outer")
    for group in (inner, outer):
        await sales.apply(CreateRole(group, None, login=False))
    await sales.apply(GrantMembership((outer,), (inner,)))
    user = await sales.make_user("user", inner)
    grantee = {"itself": user.name, "group": inner, "group of a group": outer, "public": "public"}[way]
    await sales.apply(Grant(USAGE, (grantee,), schemas=("sales",)))
    await sales.apply(Grant(SELECT, (grantee,), all_tables_in=("sales",)))
    assert await privileges(sales, user) == await answers(sales, user) == SELECT
    await sales.apply(Grant(SELECT, (grantee,), tables=(TABLE,), revoke=True))
    assert await privileges(sales, user) == await answers(sales, user) == frozenset()


async def test_leaving_a_group_takes_its_rights(sales: Metastore) -> None:
    group = sales.unique("group")
    await sales.apply(CreateRole(group, None, login=False))
    user = await sales.make_user("user", group)
    await sales.apply(Grant(USAGE, (group,), schemas=("sales",)))
    await sales.apply(Grant(SELECT, (group,), tables=(TABLE,)))
    assert await privileges(sales, user) == SELECT
    await sales.apply(GrantMembership((group,), (user.name,), revoke=True))
    with pytest.raises(InsufficientPrivilege, match="permission denied for schema sales"):
        await privileges(sales, user)


async def test_a_role_that_is_taken_on_has_its_own_rights_alone(sales: Metastore) -> None:
    """Told alike by the catalog, which loses them with the membership, and by a backend of the user's."""
    group = sales.unique("crew")
    await sales.apply(CreateRole(group, None, login=False))
    user = await sales.make_user("user", group)
    await sales.apply(Grant(USAGE, (group, user.name), schemas=("sales",)))
    await sales.apply(Grant(SELECT, (user.name,), tables=(TABLE,)))
    await sales.apply(Grant(SELECT, (group,), tables=(OTHER,)))
    taken = sales.catalog.assume(user, group)
    assert await privileges(sales, taken) == frozenset()
    assert await privileges(sales, user) == SELECT
    endpoint = await sales.catalog.relay_endpoint(user.name, sales.workspace)
    held = (
        "SELECT current_user::text, array(SELECT r::regclass::text FROM unnest(lakegate.held('SELECT')) r ORDER BY 1)"
    )
    async with await psycopg.AsyncConnection.connect(endpoint.conninfo()) as connection:
        for role, tables in (("none", [OTHER, TABLE]), (group, [OTHER]), (user.name, [OTHER, TABLE])):
            await connection.execute("SELECT set_config('role', %s, false)", (role,))
            row = await (await connection.execute(held.encode())).fetchone()
            assert row == (user.name if role == "none" else role, [f"sales.{table.name}" for table in tables])
    await sales.apply(GrantMembership((group,), (user.name,), revoke=True))
    with pytest.raises(InsufficientPrivilege, match=f'permission denied to set role "{group}"'):
        await privileges(sales, taken)


async def test_a_user_who_has_taken_on_an_admins_role_cannot_drop_herself(sales: Metastore) -> None:
    chief = sales.unique("chief")
    await sales.apply(CreateRole(chief, None, login=True, admin=True))
    user = await sales.make_user("user", chief)
    taken = sales.catalog.assume(user, chief)
    for name, whose in ((chief, "current"), (user.name, "session")):
        with pytest.raises(ObjectNotInPrerequisiteState, match=f"{whose} user cannot be dropped"):
            await sales.apply(DropRole((name,)), taken)
    await sales.apply(DropRole((user.name,)))
    with pytest.raises(InsufficientPrivilege):
        await sales.apply(DropRole((chief,)), taken)
    await sales.apply(DropRole((chief,)))


async def test_without_usage_the_schema_is_closed(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(SELECT, (user.name,), tables=(TABLE,)))
    with pytest.raises(InsufficientPrivilege, match="permission denied for schema sales"):
        await privileges(sales, user)


async def test_who_has_no_privilege_gets_no_snapshot(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(USAGE, (user.name,), schemas=("sales",)))
    found = (await sales.resolve(REFERENCE, who=user)).tables[REFERENCE]
    assert (found.privileges, found.snapshot) == (frozenset(), None)


async def test_an_admin_may_all_and_loses_it_with_the_right(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(AlterRole(user.name, admin=True))
    assert await privileges(sales, user) == await answers(sales, user) == frozenset(TABLE_PRIVILEGES)
    await sales.apply(AlterRole(user.name, admin=False))
    with pytest.raises(InsufficientPrivilege):
        await privileges(sales, user)


GRANTS: tuple[tuple[Grant, type[SqlError], str], ...] = (
    (Grant(SELECT, ("nobody_here",), tables=(TABLE,)), UndefinedObject, 'role "nobody_here" does not exist'),
    (
        Grant(SELECT, ("public",), tables=(TableName("sales", "x"),)),
        UndefinedTable,
        'relation "sales.x" does not exist',
    ),
    (Grant(USAGE, ("public",), schemas=("x",)), InvalidSchemaName, 'schema "x" does not exist'),
    (Grant(SELECT, ("public",), all_tables_in=("x",)), InvalidSchemaName, 'schema "x" does not exist'),
    (Grant(SELECT, ("public",), schemas=("sales",)), InvalidParameterValue, "invalid privilege type SELECT for schema"),
    (Grant(USAGE, ("public",), tables=(TABLE,)), InvalidParameterValue, "invalid privilege type USAGE for table"),
)


async def test_wrong_grants_change_nothing(sales: Metastore) -> None:
    before = sales.catalog.version(sales.workspace)
    for grant, error, message in GRANTS:
        with pytest.raises(error, match=message):
            await sales.apply(grant)
    assert sales.catalog.version(sales.workspace) == before


async def test_only_owner_and_admin_may_grant(sales: Metastore) -> None:
    user, owner = await sales.make_user("user"), await sales.make_user("owner")
    await sales.apply(Grant(USAGE | {Privilege.CREATE}, (owner.name, user.name), schemas=("sales",)))
    location = write_table(sales.warehouse / sales.workspace / "own", {"id": [1]})
    own = TableName("sales", "own")
    await sales.apply(RegisterTable(own, location), owner)
    with pytest.raises(InsufficientPrivilege, match="permission denied for table own"):
        await sales.apply(Grant(SELECT, (user.name,), tables=(own,)), user)
    with pytest.raises(InsufficientPrivilege, match="permission denied for schema sales"):
        await sales.apply(Grant(USAGE, (user.name,), schemas=("sales",)), user)
    await sales.apply(Grant(SELECT, (user.name,), tables=(own,)), owner)
    reference = TableReference("own", "sales")
    assert (await sales.resolve(reference, who=user)).tables[reference].privileges == SELECT


async def test_roles_with_rights_cannot_be_dropped(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(SELECT, (user.name,), tables=(TABLE,)))
    with pytest.raises(DependentObjectsStillExist, match="cannot be dropped because some objects depend on it"):
        await sales.apply(DropRole((user.name,)))
    await sales.apply(Grant(SELECT, (user.name,), tables=(TABLE,), revoke=True))
    await sales.apply(DropRole((user.name,)))
    assert await sales.catalog.login(user.name, sales.workspace) is None
    with pytest.raises(InsufficientPrivilege, match="was dropped"):
        await sales.resolve(REFERENCE, who=user)


async def test_admins_cannot_lock_the_account_out(sales: Metastore) -> None:
    with pytest.raises(ObjectNotInPrerequisiteState, match="current user cannot be dropped"):
        await sales.apply(DropRole((sales.admin.name,)))
    with pytest.raises(ObjectNotInPrerequisiteState, match="last admin"):
        await sales.apply(AlterRole(sales.admin.name, admin=False))


async def test_circles_of_groups_are_refused(sales: Metastore) -> None:
    first, second = sales.unique("first"), sales.unique("second")
    for group in (first, second):
        await sales.apply(CreateRole(group, None, login=False))
    await sales.apply(GrantMembership((first,), (second,)))
    with pytest.raises(SqlError, match="is a member of role") as caught:
        await sales.apply(GrantMembership((second,), (first,)))
    assert caught.value.sqlstate == "0LP01"


async def test_ordinary_users_manage_no_roles(sales: Metastore) -> None:
    user = await sales.make_user("user")
    changes = (
        CreateRole(sales.unique("new"), None, login=True),
        AlterRole(sales.admin.name, password="mine"),
        AlterRole(user.name, admin=True),
        DropRole((sales.admin.name,)),
        GrantMembership((sales.admin.name,), (user.name,)),
    )
    for change in changes:
        with pytest.raises(InsufficientPrivilege):
            await sales.apply(change, user)
    await sales.apply(AlterRole(user.name, password="his own"), user)
    login = await sales.catalog.login(user.name, sales.workspace)
    assert login is not None
    assert (login.verifier or "").startswith("SCRAM-SHA-256$4096:")
