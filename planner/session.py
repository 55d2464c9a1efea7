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
    if name in ("role", "session_authorization"):
        raise FeatureNotSupported("a session cannot change its role", hint="Log in as that role instead.")
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
