"""Statements that PostgreSQL itself answers: `SELECT 1`, and a look-up in pg_class against pgbouncer."""

from collections.abc import Iterator
from functools import partial

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory, running_before
from benchmarks.load import pgbench
from benchmarks.peers import running_buenavista, running_pgbouncer
from benchmarks.tables import WIDE

SELECT_ONE = "SELECT 1;"
PG_CLASS = "SELECT oid, relname, relkind FROM pg_catalog.pg_class WHERE relname = 'lineitem';"


def select_one(laboratory: Laboratory) -> Iterator[Measurement]:
    """Against PostgreSQL reached directly, and buenavista; by simple query and prepared."""
    with running_buenavista(laboratory.tables[WIDE]) as buenavista:
        for clients in (1, 8):
            for mode in ("simple", "prepared"):
                peers = {"lakegate": laboratory.gateway, "postgresql": laboratory.postgres}
                if mode == "simple":
                    peers["buenavista"] = buenavista
                rounds = {
                    name: partial(pgbench, target, SELECT_ONE, clients=clients, mode=mode)
                    for name, target in peers.items()
                }
                yield from interleave(f"SELECT 1, {mode}, {clients} clients", rounds, laboratory.rounds)


def relay(laboratory: Laboratory) -> Iterator[Measurement]:
    """A catalog look-up through a gateway whose metastore is PostgreSQL's, through pgbouncer before it, and without
    either."""
    postgres = laboratory.postgres
    with running_before(postgres) as gateway, running_pgbouncer(postgres) as pgbouncer:
        for clients in (1, 8):
            rounds = {
                name: partial(pgbench, target, PG_CLASS, clients=clients, mode="extended")
                for name, target in {"lakegate": gateway, "pgbouncer": pgbouncer, "postgresql": postgres}.items()
            }
            yield from interleave(f"pg_class look-up, {clients} clients", rounds, laboratory.rounds)
