"""Name resolution by PostgreSQL's rules, without a server."""

import pytest

from catalog.changes import Privilege
from catalog.errors import InsufficientPrivilege
from catalog.inventory import Inventory, SchemaEntry, TableEntry
from catalog.lookup import find_current_schema, find_entry
from catalog.names import TableName, TableReference
from catalog.principals import Principal, ancestors

USAGE = frozenset({Privilege.USAGE})
WHO = Principal("ann", admin=False, groups=frozenset({"team"}))
ADMIN = Principal("root", admin=True, groups=frozenset())


def schema(name: str, *grantees: str) -> SchemaEntry:
    return SchemaEntry(name, "owner", dict.fromkeys(grantees, USAGE))


def table(schema: str, name: str) -> TableEntry:
    return TableEntry(1, TableName(schema, name), "/t", "owner", 1, None, "", {})


NAMES = [
    ("public", "t"),
    ("public", "pg_class"),
    ("sales", "t"),
    ("sales", "s"),
    ("closed", "t"),
    ("closed", "c"),
    ("ann", "t"),
]
INVENTORY = Inventory(
    version=1,
    schemas={
        "public": schema("public", "public"),
        "sales": schema("sales", "team"),
        "closed": schema("closed"),
        "ann": schema("ann", "ann"),
    },
    tables={TableName(*pair): table(*pair) for pair in NAMES},
    system_relations={
        "pg_catalog": frozenset({"pg_class"}),
        "information_schema": frozenset({"tables"}),
        "lakegate": frozenset({"t"}),
    },
    volatile_functions=frozenset(),
)


def find(name: str, path: str, *, temporary: str = "", who: Principal = WHO) -> str | None:
    parts = [part or None for part in name.rpartition(".")[::2]]
    catalog, _, schema_name = (parts[0] or "").rpartition(".")
    reference = TableReference(str(parts[1]), schema_name or None, catalog or None)
    entry = find_entry(reference, INVENTORY, who, "demo", path.split(), frozenset(temporary.split()))
    return None if entry is None else f"{entry.name.schema}.{entry.name.name}"


@pytest.mark.parametrize(
    ("name", "path", "found"),
    [
        ("t", "public sales", "public.t"),
        ("t", "sales public", "sales.t"),
        ("t", "$user public", "ann.t"),
        ("s", "public sales", "sales.s"),
        ("t", "missing public", "public.t"),
        ("t", "", None),
        ("nothing", "public", None),
        ("t", "closed public", "public.t"),
        ("c", "closed", None),
        ("pg_class", "public", None),
        ("pg_class", "public pg_catalog", "public.pg_class"),
        ("t", "lakegate public", None),
        ("tables", "information_schema public", None),
        ("sales.t", "public", "sales.t"),
        ("public.pg_class", "", "public.pg_class"),
        ("demo.sales.t", "", "sales.t"),
        ("other.sales.t", "", None),
        ("unknown.t", "", None),
        ("sales.unknown", "", None),
        ("pg_catalog.t", "public", None),
    ],
)
def test_names(name: str, path: str, found: str | None) -> None:
    assert find(name, path) == found


def test_temporary_tables_come_first_unless_the_path_says_otherwise() -> None:
    assert find("t", "public", temporary="t") is None
    assert find("t", "public pg_temp", temporary="t") == "public.t"
    assert find("public.t", "public", temporary="t") == "public.t"


def test_a_named_schema_without_usage_is_refused() -> None:
    with pytest.raises(InsufficientPrivilege, match="permission denied for schema closed"):
        find("closed.t", "public")
    assert find("closed.t", "public", who=ADMIN) == "closed.t"


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("$user public", "ann"),
        ("missing sales", "sales"),
        ("closed public", "public"),
        ("", None),
        ("pg_catalog", "pg_catalog"),
    ],
)
def test_current_schema(path: str, current: str | None) -> None:
    assert find_current_schema(INVENTORY, WHO, path.split()) == current


def test_groups_of_groups_end() -> None:
    assert ancestors("a", {"a": {"b"}, "b": {"c", "a"}}) == {"a", "b", "c"}
