"""`lakegate discover`, for the operator: finds Delta tables below a folder and registers them, while a gateway runs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catalog.changes import RegisterTable
from catalog.discovery import Bounds
from catalog.errors import DuplicateTable, SqlError, UndefinedObject
from catalog.names import TableName
from gateway.config import Warehouse
from gateway.declaration import read_declaration
from gateway.operation import load, operate, tell

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.snapshots import Snapshot

_USUAL = Bounds()
_FOLDER = click.Path(file_okay=False, exists=True, path_type=Path)
_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command()
@click.argument("location")
@click.option("--data", type=_FOLDER, required=True, help="The gateway's data folder.")
@click.option("--warehouse", type=_FILE, help="The gateway's warehouse file, which says who reads the store.")
@click.option("--workspace", help="Whose tables they are to be.  [the gateway's own]")
@click.option("--register", is_flag=True, help="Make them known, as the admin's, instead of only listing them.")
@click.option("--schema", default="public", show_default=True, help="Where they are registered.")
@click.option("--depth", type=click.IntRange(0, 64), default=_USUAL.depth, show_default=True, help="Folders deep.")
@click.option("--most", type=click.IntRange(1, 100_000), default=_USUAL.tables, show_default=True, help="Tables.")
def discover(
    location: str,
    data: Path,
    warehouse: Path | None,
    workspace: str | None,
    register: bool,
    schema: str,
    depth: int,
    most: int,
) -> None:
    """Find the Delta tables below LOCATION, a folder or s3://BUCKET/PREFIX."""
    declared = Warehouse() if warehouse is None else Warehouse(declaration=read_declaration(warehouse))
    config = load(data, declared)
    place = location if "://" in location else str(Path(location).resolve())
    search = _Search(place, workspace or config.workspace, config.admin, schema if register else None)
    failed = operate(config, functools.partial(search.run, Bounds(depth, tables=most)))
    if failed:
        raise click.ClickException(f"{failed} of the tables cannot be had")


@dataclass(frozen=True, slots=True)
class _Search:
    """What was asked for; `schema` None only lists."""

    location: str
    workspace: str
    owner: str
    schema: str | None

    async def run(self, bounds: Bounds, catalog: Catalog) -> int:
        """How many failed."""
        known, failed = await catalog.list_locations(self.workspace), 0
        async for found in catalog.discover(self.workspace, self.location, bounds):
            if found in known:
                click.echo(f"{found}\tknown as {known[found]}")
                continue
            try:
                click.echo(f"{found}\t{await self._take(catalog, found)}")
            except SqlError as error:
                click.echo(f"{found}\terror: {tell(error)}", err=True)
                failed += 1
        return failed

    async def _take(self, catalog: Catalog, location: str) -> str:
        name = TableName(self.schema or "public", location.rpartition("/")[2])
        snapshot = await catalog.read_log(self.workspace, name, location)
        if self.schema is None:
            return _describe(snapshot)
        login = await catalog.find_login(self.owner)
        if login is None:
            raise UndefinedObject(f'role "{self.owner}" does not exist', hint="What is found is to be its own.")
        try:
            await catalog.apply(RegisterTable(name, location), login.principal, self.workspace)
        except DuplicateTable as error:
            hint = "Register it by CREATE TABLE … LOCATION, with another name."
            raise DuplicateTable(error.message, hint=hint) from None
        return f"registered as {name}"


def _describe(snapshot: Snapshot) -> str:
    columns, version = len(snapshot.columns), snapshot.version
    if not snapshot.readable:
        return f"version {version}, {columns} columns, for Spark only"
    return f"version {version}, {columns} columns, {snapshot.files.num_rows} files of {snapshot.size_bytes} bytes"
