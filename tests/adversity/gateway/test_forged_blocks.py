"""What a machine that was taken over leaves in its workspace's folder does no harm to others: neither when a gateway
starts, nor where it writes."""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from catalog.names import TableName
from gateway.warehouse import give_to_machines
from tests.fix_gateway import NO_SPARK, lake_folder, running_gateway


def forge(block: Path, victim: Path, *names: str) -> None:
    """A commit that asks to be taken back, of files that a link says are the block's."""
    block.mkdir(parents=True)
    (block / "_lock").touch()
    (block / "0").symlink_to(victim)
    (block / "table.json").write_text(json.dumps({"location": str(victim), "version": 99}))
    (block / "commit.json").write_text("".join(json.dumps({"add": {"path": name}}) + "\n" for name in names))


def test_a_start_removes_nothing_outside_and_waits_for_no_pipe(lake: Mapping[TableName, Path]) -> None:
    password = secrets.token_urlsafe()
    with lake_folder(lake, password) as data:
        blocks, cluster = data / "warehouse" / "demo" / "_blocks", data / "metastore" / "server" / "global"
        table = data / "warehouse" / "other" / "public" / "kept"
        table.mkdir(parents=True)
        (table / "part-0.parquet").touch()
        forge(blocks / "metastore", cluster, "pg_control")
        forge(blocks / "table", table, "part-0.parquet")
        forge(blocks / "pipe", table, "part-0.parquet")
        (blocks / "pipe" / "table.json").unlink()
        os.mkfifo(blocks / "pipe" / "table.json")
        give_to_machines(blocks, blocks.parent.stat().st_uid)
        with running_gateway(data, password, NO_SPARK) as gateway, gateway.connect() as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
        assert (cluster / "pg_control").exists()
        assert (table / "part-0.parquet").exists()
        assert [path.name for path in blocks.iterdir()] == ["pipe"]


def content(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def swap(place: Path, victim: Path) -> None:
    """A link to another's in its place."""
    place.rename(place.with_name(f"{place.name}-own"))
    place.symlink_to(victim)


def test_nobody_writes_by_links(lake: Mapping[TableName, Path]) -> None:
    """Another workspace's tables, of the same user, in the place of a table, a log and a schema that a block has
    written, into which is loaded, and which are dropped."""
    password, region = secrets.token_urlsafe(), lake[TableName("tpch", "region")]
    links = {TableName("a", "t"): ".", TableName("b", "t"): "_delta_log", TableName("c", "t"): ".."}
    with lake_folder(dict.fromkeys(links, region), password) as data:
        own, other = data / "warehouse" / "demo", data / "warehouse" / "other"
        shutil.copytree(own, other)
        give_to_machines(other, own.stat().st_uid)
        before = content(other)
        with running_gateway(data, password, NO_SPARK) as gateway, gateway.connect() as connection:
            for table, link in links.items():
                place, victim = (Path(os.path.normpath(each / table.schema / "t" / link)) for each in (own, other))
                connection.execute("BEGIN")
                connection.execute(f"INSERT INTO {table} VALUES (7, 'block', '')".encode())
                swap(place, victim)
                with pytest.raises(psycopg.errors.IoError):
                    connection.execute("COMMIT")
                with (
                    pytest.raises(psycopg.errors.IoError),
                    connection.cursor().copy(f"COPY {table} FROM STDIN") as copy,
                ):
                    copy.write("8\tloaded\t\n")
                connection.execute(f"DROP TABLE {table}".encode())
        assert content(other) == before
        with running_gateway(data, password, NO_SPARK) as gateway, gateway.connect() as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
        assert content(other) == before
