"""The warehouse file: what an operator declares of machines, of who gets them, of connections, of the metastore and of
the tables' volume. TOML in, a `Declaration` out.

[connections]                             # of a gateway
most = 1000
reserved = 3                              # the last ones are for admins

[metastore]                               # what statements that its PostgreSQL answers may take of it
backends = 200                            # connections of a gateway to it; its max_connections is to be 100 more,
                                          # and is so where it is embedded
backends_per_role = 100                   # of one role in one workspace
backends_reserved = 4                     # the last of both: for statements alone, not for blocks, temporary tables,
                                          # held cursors, LISTEN
wait_seconds = 30                         # for one
statement_seconds = 3600                  # that PostgreSQL may work on a statement, 0: without end

[tables]
reserve = 1024                            # MiB of their volume that stay free: a statement that writes ends before,
                                          # with 53100; 0: none

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
reserved = false                          # true: started for one workspace each, as pods with Spark's tables are
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

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from catalog.credentials import Role
from compute.config import Budget, WorkspacePolicy
from compute.events import Priority
from gateway.config import LEAST_MEMORY, MEBIBYTE, Declaration, Preference
from gateway.toml import (
    Keys,
    Unfit,
    check_flag,
    check_number,
    check_text,
    check_word,
    check_words,
    read_fields,
    read_file,
    read_part,
    read_tables,
    refuse_others,
)

ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}")
EXTERNAL_ID = re.compile(r"[A-Za-z0-9+=,.@:/_-]{2,1224}")


def read_declaration(file: Path) -> Declaration:
    """Raises ValueError that names file and key, and says what to write instead."""
    return read_file(file, _declare)


def _priority(value: Any) -> Priority:
    names = {each.name.lower(): each for each in Priority}
    if not isinstance(value, str) or value not in names:
        raise Unfit(" or ".join(f'"{name}"' for name in names))
    return names[value]


def _memory(value: Any) -> int:
    return int(check_number(value, least=LEAST_MEMORY, whole=True)) * MEBIBYTE


def _mebibytes(value: Any) -> int:
    return int(check_number(value, least=0, whole=True)) * MEBIBYTE


_count = partial(check_number, least=0, whole=True)
_some = partial(check_number, least=1, whole=True)
_seconds = partial(check_number, least=0.001)

CONNECTIONS: Keys = {"most": ("most", _some), "reserved": ("reserved", _count)}
WORKSPACE_CONNECTIONS: Keys = {"connections": ("connections", _count)}
METASTORE: Keys = {
    "backends": ("backends", _some),
    "backends_per_role": ("backends_per_role", _some),
    "backends_reserved": ("backends_reserved", _count),
    "wait_seconds": ("wait_seconds", _seconds),
    "statement_seconds": ("statement_seconds", partial(check_number, least=0)),
}
TABLES: Keys = {"reserve": ("least_bytes", _mebibytes)}
QUEUE: Keys = {"wait_seconds": ("wait_seconds", _seconds), "max_waiting": ("max_waiting", _some)}
ENGINE: Keys = {
    "warm": ("warm_machines", _count),
    "warm_limit": ("warm_limit", _count),
    "most": ("max_machines", _some),
    "idle_seconds": ("idle_seconds", _seconds),
    "threads": ("threads", _some),
    "memory": ("memory_bytes", _memory),
    "hedged": ("hedged", check_flag),
    "reserved": ("reserved", check_flag),
    "node_types": ("node_types", check_words),
    "on_demand_base": ("on_demand_base", _count),
    "reaches_store": ("reaches_store", check_flag),
}
SIZE: Keys = {**ENGINE, "serves_smaller": ("serves_smaller", check_flag)}
PREFERENCE: Keys = {"size": ("size", check_word), "priority": ("priority", _priority)}
POLICY: Keys = {
    "weight": ("weight", _seconds),
    "budget": ("machine_seconds", _seconds),
    "budget_window": ("window_seconds", _seconds),
}
ACCESS: Keys = {
    "s3_role": (
        "arn",
        partial(check_text, form=ROLE, example='a role\'s ARN, such as "arn:aws:iam::123456789012:role/NAME"'),
    ),
    "s3_external_id": (
        "external_id",
        partial(check_text, form=EXTERNAL_ID, example="2 to 1224 of letters, digits and +=,.@:/_-"),
    ),
}
S3: Keys = {"share_role": ("shares_role", check_flag)}
ENGINES = ("duckdb", "spark")
PARTS = ("queue", "engines", "workspaces", "principals", "s3", "connections", "metastore", "tables")


def _declare(content: Mapping[str, Any]) -> Declaration:
    refuse_others(content, PARTS, "")
    engines, sizes = {}, {}
    for name, table in read_tables(content, "engines", ENGINES):
        refuse_others(table, (*ENGINE, "sizes"), f"engines.{name}.")
        engines[name] = read_fields(table, ENGINE, f"engines.{name}")
        for size, changes in read_tables(table, "sizes", prefix=f"engines.{name}."):
            refuse_others(changes, SIZE, f"engines.{name}.sizes.{size}.")
            sizes[name, size] = read_fields(changes, SIZE, f"engines.{name}.sizes.{size}")
    names = sorted({size for _, size in sizes})
    return Declaration(
        queue=read_part(content, "queue", QUEUE),
        engines=engines,
        sizes=sizes,
        policies={name: _policy(table, f"workspaces.{name}") for name, table in read_tables(content, "workspaces")},
        workspaces=_preferences(content, "workspaces", names, {**POLICY, **ACCESS, **WORKSPACE_CONNECTIONS}),
        principals=_preferences(content, "principals", names, {}),
        connections=read_part(content, "connections", CONNECTIONS),
        workspace_connections=_workspace_connections(content),
        metastore=read_part(content, "metastore", METASTORE),
        tables=read_part(content, "tables", TABLES),
        roles=_roles(content),
        **read_part(content, "s3", S3),
    )


def _workspace_connections(content: Mapping[str, Any]) -> Mapping[str, int]:
    """Of the workspaces that have a limit."""
    found = {
        name: read_fields(table, WORKSPACE_CONNECTIONS, f"workspaces.{name}")
        for name, table in read_tables(content, "workspaces")
    }
    return {name: fields["connections"] for name, fields in found.items() if fields}


def _roles(content: Mapping[str, Any]) -> Mapping[str, Role]:
    """Of the workspaces that have one of their own."""
    roles = {}
    for name, table in read_tables(content, "workspaces"):
        chosen = read_fields(table, ACCESS, f"workspaces.{name}")
        if "external_id" in chosen and "arn" not in chosen:
            raise ValueError(f"workspaces.{name}.s3_external_id: there is no role; write s3_role, its ARN, too")
        if chosen:
            roles[name] = Role(**chosen)
    return roles


def _policy(table: Mapping[str, Any], where: str) -> WorkspacePolicy:
    """Its share and its budget."""
    chosen = read_fields(table, POLICY, where)
    if "window_seconds" in chosen and "machine_seconds" not in chosen:
        raise ValueError(f"{where}.budget_window: there is no budget; write budget, in machine-seconds, too")
    weight = {"weight": chosen.pop("weight")} if "weight" in chosen else {}
    return WorkspacePolicy(**weight, budget=Budget(**chosen) if chosen else None)


def _preferences(content: Mapping[str, Any], key: str, names: list[str], others: Keys) -> Mapping[str, Preference]:
    """Sizes, which there must be, and priorities. The tables may say `others` too."""
    chosen = {}
    for name, table in read_tables(content, key):
        refuse_others(table, (*others, *PREFERENCE), f"{key}.{name}.")
        chosen[name] = Preference(**read_fields(table, PREFERENCE, f"{key}.{name}"))
        if chosen[name].size not in (None, *names):
            known = ", ".join(names) or "none"
            raise ValueError(
                f"{key}.{name}.size: no engine has the size {chosen[name].size!r}, only: {known}; "
                f"declare it by [engines.duckdb.sizes.{chosen[name].size}]"
            )
    return chosen
