"""What a machine that was taken over leaves in its workspace's folder of blocks does no harm when a gateway starts."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from catalog.names import TableName
from gateway.warehouse import give_to_machines
from tests.fix_gateway import lake_folder, running_gateway


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
        with running_gateway(data, password) as gateway, gateway.connect() as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
        assert (cluster / "pg_control").exists()
        assert (table / "part-0.parquet").exists()
        assert [path.name for path in blocks.iterdir()] == ["pipe"]
