"""`lakegate token`: personal access tokens, for the operator. It works on the metastore while a gateway runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catalog.tokens import TokenRequest
from gateway.operation import load, operate

if TYPE_CHECKING:
    from catalog.catalog import Catalog

_FOLDER = click.Path(file_okay=False, exists=True, path_type=Path)
_LONGEST_DAYS = 3650
_data = click.option("--data", type=_FOLDER, required=True, help="The gateway's data folder.")


@click.group()
def token() -> None:
    """Make, list and revoke personal access tokens, which users send as their passwords."""


@token.command()
@_data
@click.option("--user", required=True, help="Who logs in by it.")
@click.option("--label", default="", help="What it is for.")
@click.option("--days", type=click.IntRange(1, _LONGEST_DAYS), default=90, show_default=True, help="It lives.")
@click.option("--workspace", "workspaces", multiple=True, help="Where it may be used; as many as need be.  [all]")
@click.option("--read-only", is_flag=True, help="It writes nothing.")
def create(data: Path, user: str, label: str, days: int, workspaces: tuple[str, ...], read_only: bool) -> None:
    """Make a token, which is shown this once."""
    request = TokenRequest(user, label, timedelta(days=days), workspaces or None, read_only)
    operate(load(data), lambda catalog: _create(catalog, request))


@token.command(name="list")
@_data
def list_command(data: Path) -> None:
    """List the tokens that have not expired."""
    operate(load(data), _list)


@token.command()
@_data
@click.argument("token_id")
def revoke(data: Path, token_id: str) -> None:
    """Revoke the token of that id. Sessions that it has opened go on."""
    operate(load(data), lambda catalog: catalog.revoke_token(token_id))


async def _create(catalog: Catalog, request: TokenRequest) -> None:
    click.echo(await catalog.make_token(request))


async def _list(catalog: Catalog) -> None:
    for each in await catalog.list_tokens():
        where = "all workspaces" if each.workspaces is None else ", ".join(sorted(each.workspaces))
        what = "reads" if each.read_only else "reads and writes"
        until = each.expires_at.isoformat(timespec="seconds")
        click.echo("\t".join((each.id, each.principal, until, what, where, each.label)))
