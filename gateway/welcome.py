"""The demo's start: TPC-H tables in schema `tpch` of the first workspace, and one query through the front door."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg

from catalog.changes import CreateSchema, RegisterTable
from catalog.locations import workspace_folder
from catalog.names import TableName, TableReference
from gateway.demo import write_tpch
from gateway.warehouse import give_to_machines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.server import Server

SCHEMA = "tpch"
_SAMPLE = """SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty, sum(l_extendedprice) AS sum_base_price,
    sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
    sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
    avg(l_quantity) AS avg_qty, avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc, count(*) AS count_order
FROM tpch.lineitem WHERE l_shipdate <= date '1998-12-01' - interval '90' day
GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"""
"""TPC-H query 1."""


async def welcome(server: Server, scale: float) -> None:
    """Makes the demo's tables where they are missing, answers a sample query, and says how to connect."""
    config = server.config
    root = Path(workspace_folder(str(config.warehouse_root), config.workspace), SCHEMA)
    folders = await asyncio.to_thread(write_tpch, root, scale)
    await asyncio.to_thread(give_to_machines, root, server.machine_uid)
    await _register(server, folders.values())
    if server.password is None:
        click.echo(f"log in as {config.admin} with the password shown at the first start")
    else:
        await _answer_sample(server, server.password)
    click.echo(f"connect with: psql '{server.url}'")


async def _register(server: Server, folders: Iterable[Path]) -> None:
    config, catalog = server.config, server.catalog
    login = await catalog.login(config.admin, config.workspace)
    if login is None:
        raise click.ClickException(f"the demo's tables need the user {config.admin}, who does not exist here")
    who, workspace = login.principal, config.workspace
    await catalog.apply(CreateSchema(SCHEMA, if_not_exists=True), who, workspace)
    for folder in folders:
        reference = TableReference(folder.name, SCHEMA)
        known = await catalog.resolve(who, workspace, [reference], [])
        if reference not in known.tables:
            await catalog.apply(RegisterTable(TableName(SCHEMA, folder.name), str(folder)), who, workspace)


async def _answer_sample(server: Server, password: str) -> None:
    started = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(server.url, password=password) as connection:
        cursor = await connection.execute(_SAMPLE)
        rows = await cursor.fetchall()
    click.echo(f"{_SAMPLE};")
    for row in rows:
        click.echo("  " + " | ".join(str(cell) for cell in row))
    click.echo(f"  ({len(rows)} rows, {time.perf_counter() - started:.2f} s with log-in)")
