"""Statements about the session: transactions, savepoints, settings and DISCARD."""

import re
from contextlib import suppress

from catalog.errors import FeatureNotSupported, InvalidParameterValue
from catalog.names import quote_identifier
from planner import tree
from planner.dialects.expression import Unverified
from planner.dialects.intervals import parse_interval
from planner.parse import Statement
from planner.plan import (
    Begin,
    Commit,
    Dialect,
    Discard,
    Modes,
    Plan,
    Release,
    ResetVariable,
    Rollback,
    RollbackTo,
    Savepoint,
    SetModes,
    SetVariable,
    ShowVariable,
)
from planner.tree import Node

VERBS = frozenset({"Transaction", "VariableSet", "Discard"})
KEPT = frozenset(
    {
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "tcp_keepalives_count",
        "tcp_keepalives_idle",
        "tcp_keepalives_interval",
        "transaction_timeout",
    }
)
"""Settings that are about the client's connection or the time between statements: a backend that is told of them would
apply them to the gateway."""
ENCODING = "client_encoding"
ANSWERED = KEPT | {"client_connection_check_interval", ENCODING, "lock_timeout"}
"""Settings of which backends have other values than the session, or none. By itself each is 0, but for the encoding."""
_DISCARDS = {"DISCARD_ALL": "ALL", "DISCARD_PLANS": "PLANS", "DISCARD_SEQUENCES": "SEQUENCES", "DISCARD_TEMP": "TEMP"}
_SAVEPOINTS: dict[str, type[Savepoint | Release | RollbackTo]] = {
    "SAVEPOINT": Savepoint,
    "RELEASE": Release,
    "ROLLBACK_TO": RollbackTo,
}
_ISOLATION_LEVELS = ("serializable", "repeatable read", "read committed", "read uncommitted")
LISTS_OF_NAMES = frozenset({"search_path", "temp_tablespaces", "local_preload_libraries"})
"""Settings whose items PostgreSQL quotes where they need it (GUC_LIST_QUOTE)."""
_SWITCHES = {True: ("on", "true", "t", "yes", "y", "1"), False: ("off", "false", "f", "no", "n", "0")}
_MODES = frozenset({"transaction_isolation", "transaction_read_only", "transaction_deferrable"})
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_HOUR, _MINUTE = 1 << 10, 1 << 11
_ZONE_UNITS: dict[object, tuple[int, str, int]] = {
    _HOUR: (_HOUR, "hours", 3_600_000_000),
    _HOUR | _MINUTE: (_MINUTE, "minutes", 60_000_000),
}
"""By the fields in an interval's typmod: the last of them, its name, and its microseconds."""


def is_own(statement: Statement) -> bool:
    """Whether it is about the session alone: nothing that it names is anybody's to grant, and it has no columns."""
    return statement.verb in VERBS and statement.dialect is Dialect.POSTGRES and not statement.explain_route


def shows_kept(statement: Statement) -> bool:
    """Whether it is SHOW of a setting that PostgreSQL has otherwise."""
    return statement.verb == "VariableShow" and _shown(statement) in ANSWERED


def shows_all(statement: Statement) -> bool:
    """Whether it is SHOW ALL."""
    return statement.verb == "VariableShow" and _shown(statement) == "all"


def _shown(statement: Statement) -> str:
    return str(tree.unwrap(statement.tree)[1].get("name", "")).lower()


def plan_session(statement: Statement) -> Plan:
    """Raises 0A000 for what the session does not do: two-phase commit, imported snapshots."""
    _, fields = tree.unwrap(statement.tree)
    if statement.verb == "Transaction":
        return _transaction(fields)
    if statement.verb == "VariableSet":
        return _variable(fields)
    if statement.verb == "VariableShow":
        return ShowVariable(_shown(statement))
    return Discard(_DISCARDS[fields.get("target", "DISCARD_ALL")])


def _transaction(fields: Node) -> Plan:
    kind = fields["kind"].removeprefix("TRANS_STMT_")
    if kind in ("BEGIN", "START"):
        return Begin(_modes(fields.get("options", [])), "BEGIN" if kind == "BEGIN" else "START TRANSACTION")
    if kind == "COMMIT":
        return Commit(bool(fields.get("chain")))
    if kind == "ROLLBACK":
        return Rollback(bool(fields.get("chain")))
    if kind in _SAVEPOINTS:
        return _SAVEPOINTS[kind](fields["savepoint_name"])
    words = kind.replace("_", " ")
    raise FeatureNotSupported(f"{words} is not supported", hint="A block of statements can be rolled back as a whole.")


def _modes(options: list[Node]) -> Modes:
    """The last word on each, as in PostgreSQL."""
    said = {option["DefElem"]["defname"]: tree.constant(option["DefElem"]["arg"]["A_Const"]) for option in options}
    isolation, *switches = (said.get(f"transaction_{mode}") for mode in ("isolation", "read_only", "deferrable"))
    read_only, deferrable = (None if switch is None else bool(switch) for switch in switches)
    return Modes(None if isolation is None else str(isolation), read_only, deferrable)


def _variable(fields: Node) -> Plan:
    kind, name = fields["kind"], fields.get("name", "")
    if kind == "VAR_RESET_ALL":
        return ResetVariable(None)
    if kind == "VAR_RESET":
        return ResetVariable(name)
    if kind == "VAR_SET_MULTI":
        if name == "TRANSACTION SNAPSHOT":
            raise FeatureNotSupported("SET TRANSACTION SNAPSHOT is not supported")
        return SetModes(_modes(fields["args"]), for_session=name != "TRANSACTION")
    local = bool(fields.get("is_local"))
    if kind in ("VAR_SET_DEFAULT", "VAR_SET_CURRENT"):
        return SetVariable(name, None, local, keeps=kind == "VAR_SET_CURRENT")
    quotes = name.lower() in LISTS_OF_NAMES
    value = ", ".join(_value(node, quotes=quotes) for node in fields.get("args", []))
    if name.lower() in _MODES:
        return SetModes(_mode(name, value), by_name=True)
    return SetVariable(name, value, local)


def _mode(name: str, value: str) -> Modes:
    """A transaction's mode, set as the setting of its name."""
    mode, word = name.lower().removeprefix("transaction_"), value.lower()
    if mode == "isolation":
        if word not in _ISOLATION_LEVELS:
            raise InvalidParameterValue(
                f'invalid value for parameter "{name}": "{value}"',
                hint=f"Available values: {', '.join(_ISOLATION_LEVELS)}.",
            )
        return Modes(isolation=word)
    switch = next((on for on, words in _SWITCHES.items() if word in words), None)
    if switch is None:
        raise InvalidParameterValue(f'parameter "{name}" requires a Boolean value')
    return Modes(read_only=switch) if mode == "read_only" else Modes(deferrable=switch)


def _value(node: Node, *, quotes: bool) -> str:
    kind, fields = tree.unwrap(node)
    if kind == "TypeCast" and tree.kind(fields["arg"]) == "A_Const":
        return _interval(fields)
    if kind != "A_Const":
        raise InvalidParameterValue("SET takes constants")
    value = tree.constant(fields)
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    return quote_identifier(text) if quotes and not _PLAIN_NAME.fullmatch(text) else text


def _interval(cast: Node) -> str:
    """Of SET TIME ZONE INTERVAL '…' [HOUR [TO MINUTE]], as PostgreSQL's setting takes it: the fields name the unit of a
    bare number, and what is less than the last of them is dropped. What is wrong is left for PostgreSQL to refuse."""
    text = str(tree.constant(cast["arg"]["A_Const"]))
    fields = [tree.constant(node["A_Const"]) for node in cast["typeName"].get("typmods", ())]
    unit = _ZONE_UNITS.get(fields[0] if fields else None)
    if unit is not None:
        field, word, size = unit
        with suppress(Unverified):
            span = parse_interval(text, field)
            if not (span.months or span.days):
                text = f"{int(span.microseconds / size)} {word}"
    return "INTERVAL '" + text.replace("'", " ") + "'"
