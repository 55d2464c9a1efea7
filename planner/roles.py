"""Statements about roles and grants, as changes to the catalog.

CREATE, ALTER and DROP of ROLE, USER and GROUP; GRANT and REVOKE on tables, schemas and memberships. An attribute or
object that has no meaning here is refused with what to do instead.
"""

from catalog.changes import AlterRole, CreateRole, DropRole, Grant, GrantMembership, Privilege
from catalog.errors import FeatureNotSupported, InvalidParameterValue, UndefinedTable
from catalog.names import TableName
from catalog.resolution import Resolution
from planner import tree
from planner.parse import Statement
from planner.plan import CatalogChange, Plan
from planner.tree import Node

VERBS = frozenset({"CreateRole", "AlterRole", "AlterRoleSet", "DropRole", "Grant", "GrantRole"})
_IGNORED = {
    "inherit": True,
    "superuser": False,
    "createdb": False,
    "createrole": False,
    "isreplication": False,
    "bypassrls": False,
}
"""Attributes whose only possible value may be said."""
_TABLE_PRIVILEGES = frozenset({Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE})
_SCHEMA_PRIVILEGES = frozenset({Privilege.USAGE, Privilege.CREATE})


def plan_roles(statement: Statement, resolution: Resolution) -> Plan:
    """Raises 0A000 for what has no meaning here, 42P01 for a table that is not there."""
    _, fields = tree.unwrap(statement.tree)
    match statement.verb:
        case "CreateRole":
            return _create(fields)
        case "AlterRole":
            return _alter(fields)
        case "DropRole":
            names = tuple(_role_name(node["RoleSpec"]) for node in fields["roles"])
            return CatalogChange(DropRole(names, bool(fields.get("missing_ok"))), "DROP ROLE")
        case "Grant":
            return _grant(statement, fields, resolution)
        case "GrantRole":
            return _membership(fields)
    raise FeatureNotSupported("ALTER ROLE … SET is not supported", hint="SET the parameter in the session.")


def _options(fields: Node) -> dict[str, Node]:
    return {node["DefElem"]["defname"]: node["DefElem"].get("arg", {}) for node in fields.get("options", [])}


def _attributes(options: dict[str, Node]) -> tuple[str | None, bool | None, int | None]:
    """Password, LOGIN and CONNECTION LIMIT."""
    password, login, limit = None, None, None
    for name, value in options.items():
        if name == "password":
            password = value["String"].get("sval", "") if "String" in value else None
        elif name == "canlogin":
            login = bool(value["Boolean"].get("boolval", False))
        elif name == "connectionlimit":
            limit = _connection_limit(value)
        elif name not in _IGNORED or bool(value.get("Boolean", {}).get("boolval", False)) != _IGNORED[name]:
            raise FeatureNotSupported(
                f"role attribute {name.upper()} is not supported",
                hint="Rights are given by GRANT on schemas and tables, and by membership in groups.",
            )
    return password, login, limit


def _connection_limit(value: Node) -> int:
    """-1 for none. Raises InvalidParameterValue."""
    limit = int(value.get("Integer", {}).get("ival", 0))
    if limit < -1:
        raise InvalidParameterValue(f"invalid connection limit: {limit}")
    return limit


def _create(fields: Node) -> Plan:
    if fields["role"].startswith("pg_"):
        raise FeatureNotSupported('role names that start with "pg_" are reserved')
    kind = fields.get("stmt_type", "ROLESTMT_ROLE")
    password, login, limit = _attributes(_options(fields))
    login = kind == "ROLESTMT_USER" if login is None else login
    change = CreateRole(fields["role"], password, login, connection_limit=-1 if limit is None else limit)
    return CatalogChange(change, "CREATE ROLE")


def _alter(fields: Node) -> Plan:
    options = _options(fields)
    if "rolemembers" in options:  # ALTER GROUP g ADD|DROP USER u
        members = tuple(_role_name(node["RoleSpec"]) for node in tree.items(options["rolemembers"]))
        group = _role_name(fields["role"])
        return CatalogChange(GrantMembership((group,), members, int(fields.get("action", 1)) < 0), "ALTER ROLE")
    password, login, limit = _attributes(options)
    change = AlterRole(_role_name(fields["role"]), password, login, connection_limit=limit)
    return CatalogChange(change, "ALTER ROLE")


def _role_name(spec: Node) -> str:
    kind = spec.get("roletype", "ROLESPEC_CSTRING")
    if kind == "ROLESPEC_PUBLIC":
        return "public"
    if kind != "ROLESPEC_CSTRING":
        raise FeatureNotSupported("CURRENT_USER and SESSION_USER are not supported here", hint="Write the role's name.")
    return str(spec["rolename"])


def _privileges(fields: Node, allowed: frozenset[Privilege]) -> frozenset[Privilege]:
    """The privileges named; none named is ALL."""
    named = set()
    for node in fields.get("privileges", []):
        privilege = node["AccessPriv"]
        word = privilege.get("priv_name", "").upper()
        if privilege.get("cols") or word not in {p.value for p in allowed}:
            what = "column privileges are" if privilege.get("cols") else f"privilege {word} is"
            raise FeatureNotSupported(f"{what} not supported here")
        named.add(Privilege(word))
    return frozenset(named) or allowed


def _grant(statement: Statement, fields: Node, resolution: Resolution) -> Plan:
    if fields.get("grant_option") or fields.get("targtype") == "ACL_TARGET_DEFAULTS" or fields.get("grantor"):
        raise FeatureNotSupported("WITH GRANT OPTION, GRANTED BY and default privileges are not supported")
    revoke = not fields.get("is_grant")
    grantees = tuple(_role_name(node["RoleSpec"]) for node in fields["grantees"])
    tag = "REVOKE" if revoke else "GRANT"
    kind = fields.get("objtype")
    if kind == "OBJECT_SCHEMA":
        schemas = tuple(tree.strings(fields["objects"]))
        privileges = _privileges(fields, _SCHEMA_PRIVILEGES)
        return CatalogChange(Grant(privileges, grantees, schemas=schemas, revoke=revoke), tag)
    if kind != "OBJECT_TABLE":
        raise FeatureNotSupported(f"{tag} is supported on tables, schemas and roles")
    privileges = _privileges(fields, _TABLE_PRIVILEGES)
    if fields.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA":
        schemas = tuple(tree.strings(fields["objects"]))
        return CatalogChange(Grant(privileges, grantees, all_tables_in=schemas, revoke=revoke), tag)
    tables = tuple(_table(statement, node["RangeVar"], resolution) for node in fields["objects"])
    return CatalogChange(Grant(privileges, grantees, tables=tables, revoke=revoke), tag)


def _table(statement: Statement, fields: Node, resolution: Resolution) -> TableName:
    for reference in statement.references:
        if (reference.schema, reference.name) == (
            fields.get("schemaname"),
            fields["relname"],
        ) and reference in resolution.tables:
            return resolution.tables[reference].name
    raise UndefinedTable(f'relation "{fields["relname"]}" does not exist')


def _membership(fields: Node) -> Plan:
    if fields.get("opt") or fields.get("grantor"):
        raise FeatureNotSupported("options of role membership are not supported")
    groups = tuple(node["AccessPriv"]["priv_name"] for node in fields["granted_roles"])
    members = tuple(_role_name(node["RoleSpec"]) for node in fields["grantee_roles"])
    revoke = not fields.get("is_grant")
    return CatalogChange(GrantMembership(groups, members, revoke), "REVOKE ROLE" if revoke else "GRANT ROLE")
