"""Statements about the session: transactions, settings, DISCARD and DEALLOCATE."""

import re

from catalog.errors import FeatureNotSupported, InvalidParameterValue
from catalog.names import quote_identifier
from planner import tree
from planner.parse import Statement
from planner.plan import Begin, Commit, Discard, Plan, ResetVariable, Rollback, SetVariable
from planner.tree import Node

VERBS = frozenset({"Transaction", "VariableSet", "Discard", "Deallocate"})
_READ_ONLY_OPTIONS = {"transaction_isolation": "isolation", "transaction_read_only": "read_only"}
_CONFIGURES = frozenset({"targetList", "fromClause", "whereClause", "limitOption", "op"})
"""The fields of a SELECT without any other clause."""
_NAME_LISTS = frozenset({"search_path", "temp_tablespaces"})
"""Settings whose value is a list of names."""
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_DISCARDS = {"DISCARD_ALL": "ALL", "DISCARD_PLANS": "PLANS", "DISCARD_SEQUENCES": "SEQUENCES", "DISCARD_TEMP": "TEMP"}


def plan_session(statement: Statement) -> Plan:
    """Raises 0A000 for what the session does not do: savepoints, two-phase commit, other roles."""
    _, fields = tree.unwrap(statement.tree)
    if statement.verb == "Transaction":
        return _transaction(fields)
    if statement.verb == "VariableSet":
        return _variable(fields)
    if statement.verb == "Discard":
        return Discard(_DISCARDS[fields.get("target", "DISCARD_ALL")])
    return Discard("DEALLOCATE", None if fields.get("isall") else fields.get("name"))


def configured(statement: Statement) -> SetVariable | None:
    """A SELECT of nothing but set_config() of constants, which is a SET that answers; None for any other statement.

    It may ask for the setting in the list of settings, as pgAdmin does. Raises 0A000 as SET does.
    """
    kind, fields = tree.unwrap(statement.tree)
    if kind != "SelectStmt" or len(fields.get("targetList", [])) != 1 or not fields.keys() <= _CONFIGURES:
        return None
    target = fields["targetList"][0]["ResTarget"]
    if "name" in target:
        return None
    call = target["val"].get("FuncCall", {})
    arguments = [tree.constant(argument.get("A_Const", {"isnull": True})) for argument in call.get("args", [])]
    if tree.strings(call.get("funcname"))[-1:] != ["set_config"] or [*map(type, arguments)] != [str, str, bool]:
        return None
    name, value, local = str(arguments[0]).lower(), str(arguments[1]), bool(arguments[2])
    if "fromClause" in fields and not _lists_setting(fields, name):
        return None
    _refuse_role(name)
    _check(name, value)
    return SetVariable(name, value, local, answers=True)


def _lists_setting(fields: Node, name: str) -> bool:
    """Whether it is FROM pg_show_all_settings() WHERE name = '…', one row for a setting that exists."""
    functions = [f for kind, f in tree.walk(fields["fromClause"]) if kind == "FuncCall"]
    names = [tree.strings(function["funcname"])[-1] for function in functions]
    condition = fields.get("whereClause", {}).get("A_Expr", {})
    column = condition.get("lexpr", {}).get("ColumnRef", {}).get("fields")
    literal = condition.get("rexpr", {}).get("A_Const", {"isnull": True})
    return (
        (len(fields["fromClause"]), names) == (1, ["pg_show_all_settings"])
        and (condition.get("kind"), tree.strings(condition.get("name"))) == ("AEXPR_OP", ["="])
        and column == [{"String": {"sval": "name"}}]
        and tree.constant(literal) == name
    )


def _transaction(fields: Node) -> Plan:
    kind = fields["kind"]
    if kind in ("TRANS_STMT_BEGIN", "TRANS_STMT_START"):
        options = {o["DefElem"]["defname"]: _option(o["DefElem"]) for o in fields.get("options", [])}
        read_only = options.get("transaction_read_only")
        isolation = options.get("transaction_isolation")
        return Begin(
            None if read_only is None else bool(read_only),
            None if isolation is None else str(isolation),
            "BEGIN" if kind == "TRANS_STMT_BEGIN" else "START TRANSACTION",
        )
    if kind == "TRANS_STMT_COMMIT":
        return Commit(bool(fields.get("chain")))
    if kind == "TRANS_STMT_ROLLBACK":
        return Rollback(bool(fields.get("chain")))
    words = kind.removeprefix("TRANS_STMT_").replace("_", " ")
    raise FeatureNotSupported(f"{words} is not supported", hint="A block of statements can be rolled back as a whole.")


def _option(element: Node) -> int | str | bool | None:
    return tree.constant(element["arg"]["A_Const"])


def _variable(fields: Node) -> Plan:
    kind, name = fields["kind"], fields.get("name", "")
    if kind == "VAR_RESET_ALL":
        return ResetVariable(None)
    if kind == "VAR_RESET":
        return ResetVariable(name)
    _refuse_role(name)
    if kind == "VAR_SET_MULTI":
        return _multiple(name, fields)
    local = bool(fields.get("is_local"))
    if kind == "VAR_SET_DEFAULT":
        return SetVariable(name, None, local)
    if kind != "VAR_SET_VALUE":
        raise FeatureNotSupported("SET … FROM CURRENT is not supported")
    values = [_value(node) for node in fields.get("args", [])]
    value = ", ".join(map(_quoted, values) if name.lower() in _NAME_LISTS else values)
    _check(name, value)
    return SetVariable(name, value, local)


def _refuse_role(name: str) -> None:
    if name in ("role", "session_authorization"):
        raise FeatureNotSupported("a session cannot change its role", hint="Log in as that role instead.")


def _quoted(name: str) -> str:
    """As PostgreSQL keeps a name in a list of names."""
    return name if _PLAIN_NAME.fullmatch(name) else quote_identifier(name)


def _check(name: str, value: str) -> None:
    if name == "standard_conforming_strings" and value.lower() not in ("on", "true", "yes", "1", "t", "y"):
        raise FeatureNotSupported(
            "standard_conforming_strings cannot be turned off", hint="Write E'…' for strings with escapes."
        )


def _value(node: Node) -> str:
    kind, fields = tree.unwrap(node)
    if kind == "TypeCast" and tree.kind(fields["arg"]) == "A_Const":  # SET TIME ZONE INTERVAL '…'
        return str(tree.constant(fields["arg"]["A_Const"]))
    if kind != "A_Const":
        raise InvalidParameterValue("SET takes constants")
    value = tree.constant(fields)
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _multiple(name: str, fields: Node) -> Plan:
    """SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION, one option at a time."""
    options = [node["DefElem"] for node in fields.get("args", [])]
    if len(options) != 1 or options[0]["defname"] not in _READ_ONLY_OPTIONS or name == "TRANSACTION SNAPSHOT":
        raise FeatureNotSupported(f"SET {name} takes one of ISOLATION LEVEL, READ ONLY and READ WRITE")
    option, value = options[0]["defname"], _option(options[0])
    text = ("on" if value else "off") if option == "transaction_read_only" else str(value)
    return SetVariable(option if name == "TRANSACTION" else f"default_{option}", text, name == "TRANSACTION")
