"""The warehouse file: what an operator declares of machines, of who gets them, and of connections. TOML in, a
`Declaration` out.

[connections]                             # of a gateway
most = 1000
reserved = 3                              # the last ones are for admins

[queue]                                   # who waits for a machine
wait_seconds = 300
max_waiting = 256                         # of an engine and size

[engines.duckdb]                          # or spark; what is missing is as the command line says
warm = 1                                  # kept ready, 0: none
warm_limit = 16                           # kept ready at most, where demand predicts it
most = 64
idle_seconds = 60
threads = 4
memory = 4096                             # MiB
hedged = true                             # a start that is late gets a second one
reserved = false                          # true: started for one workspace each
node_types = ["spot", "on-demand"]        # in this order, of LAKEGATE_KUBERNETES_NODE_TYPES
on_demand_base = 2                        # so many first keep off spot nodes
reaches_store = false                     # true: QEMU's microVMs read S3 themselves, through a network to it alone

[engines.duckdb.sizes.large]              # a second size: as its engine, but for what is said here
memory = 16384
serves_smaller = true                     # lends what nobody uses to smaller sizes

[workspaces.analytics]
weight = 3.0                              # share of contended machines
connections = 200                         # on each gateway; admins are not counted out
budget = 36000                            # machine-seconds
budget_window = 3600                      # seconds
priority = "batch"                        # or "interactive"
size = "large"
s3_role = "arn:aws:iam::123456789012:role/analytics"    # who reads this workspace's tables in S3
s3_external_id = "lakegate"               # what that role's trust policy asks for

[s3]
share_role = false                        # workspaces without a role read nothing; true: by the gateway's role

[principals.etl]                          # goes before the workspace's
priority = "batch"
size = "large"
"""

import math
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from catalog.credentials import Role
from compute.config import Budget, WorkspacePolicy
from compute.events import Priority
from gateway.config import MEBIBYTE, Declaration, Preference

ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}")
EXTERNAL_ID = re.compile(r"[A-Za-z0-9+=,.@:/_-]{2,1224}")
Check = Callable[[Any], Any]
"""The value as the fleet wants it. Raises _Unfit."""
Keys = Mapping[str, tuple[str, Check]]
"""By key: the field that it sets, and what it may be."""


class _Unfit(ValueError):
    """A value that won't do: the text says what would."""


def read_declaration(file: Path) -> Declaration:
    """Raises ValueError that names file and key, and says what to write instead."""
    try:
        return _declare(tomllib.loads(file.read_text()))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ValueError(f"{file}: {reason}") from error


def _number(value: Any, *, least: float, whole: bool = False) -> float | int:
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < math.inf:
        raise _Unfit(f"a {'whole ' if whole else ''}number, at least {least:g}")
    return int(value) if whole else float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unfit("true or false")
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Unfit("a name in quotes")
    return value


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise _Unfit('a list of names, such as ["spot", "on-demand"]')
    return tuple(_word(each) for each in value)


def _priority(value: Any) -> Priority:
    names = {each.name.lower(): each for each in Priority}
    if not isinstance(value, str) or value not in names:
        raise _Unfit(" or ".join(f'"{name}"' for name in names))
    return names[value]


def _text(value: Any, *, form: re.Pattern[str], example: str) -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise _Unfit(example)
    return value


def _memory(value: Any) -> int:
    return int(_number(value, least=64, whole=True)) * MEBIBYTE


_count = partial(_number, least=0, whole=True)
_some = partial(_number, least=1, whole=True)
_seconds = partial(_number, least=0.001)

CONNECTIONS: Keys = {"most": ("most", _some), "reserved": ("reserved", _count)}
WORKSPACE_CONNECTIONS: Keys = {"connections": ("connections", _count)}
QUEUE: Keys = {"wait_seconds": ("wait_seconds", _seconds), "max_waiting": ("max_waiting", _some)}
ENGINE: Keys = {
    "warm": ("warm_machines", _count),
    "warm_limit": ("warm_limit", _count),
    "most": ("max_machines", _some),
    "idle_seconds": ("idle_seconds", _seconds),
    "threads": ("threads", _some),
    "memory": ("memory_bytes", _memory),
    "hedged": ("hedged", _flag),
    "reserved": ("reserved", _flag),
    "node_types": ("node_types", _words),
    "on_demand_base": ("on_demand_base", _count),
    "reaches_store": ("reaches_store", _flag),
}
SIZE: Keys = {**ENGINE, "serves_smaller": ("serves_smaller", _flag)}
PREFERENCE: Keys = {"size": ("size", _word), "priority": ("priority", _priority)}
POLICY: Keys = {
    "weight": ("weight", _seconds),
    "budget": ("machine_seconds", _seconds),
    "budget_window": ("window_seconds", _seconds),
}
ACCESS: Keys = {
    "s3_role": (
        "arn",
        partial(_text, form=ROLE, example='a role\'s ARN, such as "arn:aws:iam::123456789012:role/NAME"'),
    ),
    "s3_external_id": (
        "external_id",
        partial(_text, form=EXTERNAL_ID, example="2 to 1224 of letters, digits and +=,.@:/_-"),
    ),
}
S3: Keys = {"share_role": ("shares_role", _flag)}
ENGINES = ("duckdb", "spark")
PARTS = ("queue", "engines", "workspaces", "principals", "s3", "connections")


def _declare(content: Mapping[str, Any]) -> Declaration:
    _refuse_others(content, PARTS, "")
    engines, sizes = {}, {}
    for name, table in _tables(content, "engines", ENGINES):
        _refuse_others(table, (*ENGINE, "sizes"), f"engines.{name}.")
        engines[name] = _fields(table, ENGINE, f"engines.{name}")
        for size, changes in _tables(table, "sizes", prefix=f"engines.{name}."):
            _refuse_others(changes, SIZE, f"engines.{name}.sizes.{size}.")
            sizes[name, size] = _fields(changes, SIZE, f"engines.{name}.sizes.{size}")
    names = sorted({size for _, size in sizes})
    return Declaration(
        queue=_part(content, "queue", QUEUE),
        engines=engines,
        sizes=sizes,
        policies={name: _policy(table, f"workspaces.{name}") for name, table in _tables(content, "workspaces")},
        workspaces=_preferences(content, "workspaces", names, {**POLICY, **ACCESS, **WORKSPACE_CONNECTIONS}),
        principals=_preferences(content, "principals", names, {}),
        connections=_part(content, "connections", CONNECTIONS),
        workspace_connections=_workspace_connections(content),
        roles=_roles(content),
        **_part(content, "s3", S3),
    )


def _part(content: Mapping[str, Any], key: str, keys: Keys) -> dict[str, Any]:
    """A table that has these keys and no others."""
    table = _table(content.get(key, {}), key)
    _refuse_others(table, keys, f"{key}.")
    return _fields(table, keys, key)


def _workspace_connections(content: Mapping[str, Any]) -> Mapping[str, int]:
    """Of the workspaces that have a limit."""
    found = {
        name: _fields(table, WORKSPACE_CONNECTIONS, f"workspaces.{name}")
        for name, table in _tables(content, "workspaces")
    }
    return {name: fields["connections"] for name, fields in found.items() if fields}


def _roles(content: Mapping[str, Any]) -> Mapping[str, Role]:
    """Of the workspaces that have one of their own."""
    roles = {}
    for name, table in _tables(content, "workspaces"):
        chosen = _fields(table, ACCESS, f"workspaces.{name}")
        if "external_id" in chosen and "arn" not in chosen:
            raise ValueError(f"workspaces.{name}.s3_external_id: there is no role; write s3_role, its ARN, too")
        if chosen:
            roles[name] = Role(**chosen)
    return roles


def _policy(table: Mapping[str, Any], where: str) -> WorkspacePolicy:
    """Its share and its budget."""
    chosen = _fields(table, POLICY, where)
    if "window_seconds" in chosen and "machine_seconds" not in chosen:
        raise ValueError(f"{where}.budget_window: there is no budget; write budget, in machine-seconds, too")
    weight = {"weight": chosen.pop("weight")} if "weight" in chosen else {}
    return WorkspacePolicy(**weight, budget=Budget(**chosen) if chosen else None)


def _preferences(content: Mapping[str, Any], key: str, names: list[str], others: Keys) -> Mapping[str, Preference]:
    """Sizes, which there must be, and priorities. The tables may say `others` too."""
    chosen = {}
    for name, table in _tables(content, key):
        _refuse_others(table, (*others, *PREFERENCE), f"{key}.{name}.")
        chosen[name] = Preference(**_fields(table, PREFERENCE, f"{key}.{name}"))
        if chosen[name].size not in (None, *names):
            known = ", ".join(names) or "none"
            raise ValueError(
                f"{key}.{name}.size: no engine has the size {chosen[name].size!r}, only: {known}; "
                f"declare it by [engines.duckdb.sizes.{chosen[name].size}]"
            )
    return chosen


def _fields(table: Mapping[str, Any], keys: Keys, where: str) -> dict[str, Any]:
    """What the table says of these keys, by the field that each sets."""
    fields = {}
    for key, (field, check) in keys.items():
        if key in table:
            try:
                fields[field] = check(table[key])
            except _Unfit as unfit:
                raise ValueError(f"{where}.{key}: must be {unfit}, not {table[key]!r}") from None
    return fields


def _tables(
    content: Mapping[str, Any], key: str, names: Collection[str] | None = None, prefix: str = ""
) -> list[tuple[str, Mapping[str, Any]]]:
    """The tables below a key, by name."""
    parent = _table(content.get(key, {}), f"{prefix}{key}")
    if names is not None:
        _refuse_others(parent, names, f"{prefix}{key}.")
    return [(name, _table(table, f"{prefix}{key}.{name}")) for name, table in parent.items()]


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: must be a table; write [{where}], and its keys below")
    return value


def _refuse_others(table: Mapping[str, Any], names: Collection[str], prefix: str) -> None:
    for key in table:
        if key not in names:
            raise ValueError(f"{prefix}{key}: there is no such key; here may be {', '.join(names)}")
