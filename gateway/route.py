"""Where a connection wants to: the workspace, and the size of machines, by what the client says of it.

`options` (``-c lakegate.workspace=…``), the name that TLS was opened with (``WORKSPACE.gateway.example``) and the
database may each name the workspace. libpq puts the user's name for a database that is not given, so that counts as
none where another says more. Those that disagree are refused: none of them is guessed to be right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import InvalidCatalogName, SqlSyntaxError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.pgwire.messages import StartupMessage

WORKSPACE = "lakegate.workspace"
WAREHOUSE = "lakegate.warehouse"
_OPTION = re.compile(r"(?:\\.|[^\s\\])+")
_ASSIGNMENT = re.compile(r"(?:-c|--)([^=]+)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Route:
    """`warehouse` is a size of machines, None for what the workspace has."""

    workspace: str
    warehouse: str | None = None


def split_options(options: str) -> Iterator[tuple[str, str]]:
    """The settings in the start-up packet's ``options``: ``-c name=value`` and ``--name=value``.

    White space separates, a backslash escapes. Raises SqlSyntaxError for anything else. Reference: `pg_split_opts`.
    """
    words = [re.sub(r"\\(.)", r"\1", word) for word in _OPTION.findall(options)]
    joined = iter(words)
    for word in joined:
        switch = word + next(joined, "") if word == "-c" else word
        match = _ASSIGNMENT.fullmatch(switch)
        if match is None:
            raise SqlSyntaxError(f"invalid command-line argument for server process: {word}", hint="Use -c name=value.")
        yield match[1].replace("-", "_"), match[2]


def find_route(startup: StartupMessage, server_name: str | None, domain: str | None) -> Route:
    """Raises InvalidCatalogName, which is FATAL, where the client contradicts itself."""
    options = dict(split_options(startup.parameters.get("options", "")))
    by_name = _read_name(server_name, domain)
    database = startup.parameters.get("database") or startup.user
    asked = [startup.parameters.get(WORKSPACE), options.get(WORKSPACE), by_name and by_name.workspace]
    said = {each for each in asked if each}
    if not said or database != startup.user:
        said.add(database)
    sizes = {each for each in (options.get(WAREHOUSE), by_name and by_name.warehouse) if each}
    return Route(_only(said, "workspaces"), _only(sizes, "warehouses") if sizes else None)


def _read_name(server_name: str | None, domain: str | None) -> Route | None:
    """``[WAREHOUSE.]WORKSPACE.domain``; None for the domain itself, and for names elsewhere."""
    if server_name is None or domain is None or not server_name.lower().endswith(f".{domain}"):
        return None
    *first, workspace = server_name.lower().removesuffix(f".{domain}").split(".")
    if len(first) > 1:
        raise InvalidCatalogName(
            f'"{server_name}" names no workspace',
            hint=f"Connect to WORKSPACE.{domain} or WAREHOUSE.WORKSPACE.{domain}.",
        )
    return Route(workspace, first[0] if first else None)


def _only(said: set[str], what: str) -> str:
    if len(said) > 1:
        names = ", ".join(f'"{each}"' for each in sorted(said))
        raise InvalidCatalogName(
            f"the connection names several {what}: {names}",
            hint="Name it once: as the database, in options, or by the host.",
        )
    return next(iter(said))
