"""What an operator's commands do on the metastore while a gateway runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click
import uvloop

from catalog.catalog import Catalog
from catalog.credentials import CredentialProvider
from catalog.errors import CannotConnectNow, SqlError
from catalog.external import ExternalPostgres
from catalog.postgres import EmbeddedPostgres
from gateway.config import Config, Warehouse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")


def load(data: Path, warehouse: Warehouse | None = None) -> Config:
    """The configuration of the gateway of that data folder, as far as its catalog needs it."""
    return Config.load(data, "127.0.0.1:0", warehouse or Warehouse())


def operate(config: Config, act: Callable[[Catalog], Awaitable[T]]) -> T:
    """Runs it with the catalog of that configuration. Errors end the command, with what to do."""
    dsn = config.metastore_dsn
    server = EmbeddedPostgres(config.metastore_directory) if dsn is None else ExternalPostgres(dsn)
    credentials = CredentialProvider(config.objects)
    catalog = Catalog(server, warehouse_root=str(config.warehouse_root), credentials=credentials)
    try:
        return uvloop.run(_with(catalog, act))
    except CannotConnectNow as error:
        raise click.ClickException(f"{error.message}; does the gateway run that has this metastore?") from None
    except SqlError as error:
        raise click.ClickException(tell(error)) from None


def tell(error: SqlError) -> str:
    """An error in one line."""
    detail = f": {error.detail}" if error.detail else ""
    return f"{error.message}{detail}" + (f" ({error.hint})" if error.hint else "")


async def _with(catalog: Catalog, act: Callable[[Catalog], Awaitable[T]]) -> T:
    await catalog.open()
    try:
        return await act(catalog)
    finally:
        await catalog.close()
