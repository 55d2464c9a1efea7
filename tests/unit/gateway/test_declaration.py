"""The warehouse file: what each key does to the pool and to leases, and what is said of a wrong one."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog.credentials import ObjectStore, Role
from compute.config import ANY_NODES, GIB, Budget, EngineConfig, NodeType, PoolConfig, WorkspacePolicy
from compute.events import Priority
from gateway.cli import main
from gateway.config import Config, Declaration, Kubernetes, Warehouse
from gateway.declaration import read_declaration
from gateway.relay import RelayLimits
from gateway.reserve import Reserve
from gateway.warehouse import pool_config, templates

READER = Role("arn:aws:iam::000000000000:role/Reader")
STORE = ObjectStore(role=READER)
ODD_STORE = replace(STORE, endpoint="store.example")
NODES = (
    '{"spot": {"capacity": "spot-or-on-demand"}, "steady": {"capacity": "on-demand"}, '
    '"metal": {"pool": "metal", "placed": true, "spread": 2}}'
)


def declared(folder: Path, text: str) -> Declaration:
    file = folder / "warehouse.toml"
    file.write_text(text)
    return read_declaration(file)


def config(folder: Path, text: str, spawner: str = "kubernetes") -> Config:
    warehouse = Warehouse(duckdb_threads=2, spawner=spawner, declaration=declared(folder, text))
    return Config(folder, warehouse=warehouse, kubernetes=Kubernetes(node_types=NODES))


def engine(pool: PoolConfig, name: str, size: str = "") -> EngineConfig:
    [found] = [each for each in pool.engines if (each.engine, each.size) == (name, size)]
    return found


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert declared(tmp_path, "") == Declaration()
    assert (
        pool_config(config(tmp_path, "", "process")).engines
        == pool_config(Config(tmp_path, warehouse=Warehouse(duckdb_threads=2))).engines
    )


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("warm = 3", "warm_machines", 3),
        ("warm_limit = 5", "warm_limit", 5),
        ("most = 40", "max_machines", 40),
        ("idle_seconds = 7.5", "idle_seconds", 7.5),
        ("threads = 3", "threads", 3),
        ("memory = 8192", "memory_bytes", 8 * GIB),
        ("hedged = true", "hedged", True),
        ("reserved = true", "reserved", True),
        ('node_types = ["spot", "steady"]', "node_types", ("spot", "steady")),
        ("on_demand_base = 2", "on_demand_base", 2),
        ("reaches_store = false", "reaches_store", False),
    ],
)
def test_a_key_of_an_engine_sets_its_field(tmp_path: Path, line: str, field: str, value: object) -> None:
    pool = pool_config(config(tmp_path, f"[engines.duckdb]\n{line}"))
    assert getattr(engine(pool, "duckdb"), field) == value
    assert engine(pool, "spark") == engine(pool_config(config(tmp_path, "")), "spark")


def test_microvms_reach_the_store_where_a_role_reads_it(tmp_path: Path) -> None:
    text = "[engines.duckdb.sizes.near]\nreaches_store = true"
    chosen = config(tmp_path, text, "qemu")
    for objects, complaint in [
        (STORE, None),
        (ObjectStore(roles={"demo": READER}, shared=False), None),
        (ObjectStore(roles={"demo": READER}), "LAKEGATE_S3_ROLE"),
        (ODD_STORE, "is no endpoint"),
    ]:
        with pytest.raises(ValueError, match=complaint) if complaint else nullcontext():
            specs = templates(replace(chosen, objects=objects))
            assert [spec.reaches_store for spec in specs] == [False, True]
    with pytest.raises(ValueError, match=r"engines\.duckdb\.sizes\.near\.reaches_store: only DuckDB's microVMs"):
        pool_config(replace(config(tmp_path, text), objects=STORE))


def test_a_size_is_as_its_engine_but_for_what_it_says(tmp_path: Path) -> None:
    text = (
        "[engines.duckdb]\nhedged = true\nwarm = 2\n[engines.duckdb.sizes.large]\nmemory = 16384\nserves_smaller = true"
    )
    chosen = config(tmp_path, text)
    large = engine(pool_config(chosen), "duckdb", "large")
    assert (large.memory_bytes, large.serves_smaller, large.hedged, large.warm_machines) == (16 * GIB, True, True, 0)
    assert [spec.memory_bytes for spec in templates(chosen)] == [4 * GIB, 16 * GIB], "both are forked warm"


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    pool = pool_config(config(tmp_path, "[queue]\nwait_seconds = 9\nmax_waiting = 4"))
    assert (pool.wait_seconds, pool.max_waiting) == (9.0, 4)


def test_node_types_are_those_of_the_cluster(tmp_path: Path) -> None:
    assert pool_config(config(tmp_path, "")).node_types == (
        NodeType(ANY_NODES),
        NodeType("spot", spot=True),
        NodeType("steady"),
        NodeType("metal", placed=True, spread=2),
    )


def test_workspaces_have_weights_and_budgets(tmp_path: Path) -> None:
    text = "[workspaces.a]\nweight = 3\n[workspaces.b]\nbudget = 60\nbudget_window = 30\n[workspaces.c]\nbudget = 60"
    assert pool_config(config(tmp_path, text)).workspaces == {
        "a": WorkspacePolicy(weight=3.0),
        "b": WorkspacePolicy(budget=Budget(60.0, 30.0)),
        "c": WorkspacePolicy(budget=Budget(60.0)),
    }


def test_the_principals_preference_goes_before_the_workspaces(tmp_path: Path) -> None:
    chosen = declared(
        tmp_path,
        """
        [engines.duckdb.sizes.large]
        [engines.duckdb.sizes.small]
        [workspaces.w]
        priority = "batch"
        size = "large"
        [principals.ada]
        priority = "interactive"
        [principals.etl]
        size = "small"
        """,
    )
    assert chosen.preference("duckdb", "other", "bob") == ("", Priority.INTERACTIVE)
    assert chosen.preference("duckdb", "w", "bob") == ("large", Priority.BATCH)
    assert chosen.preference("duckdb", "w", "ada") == ("large", Priority.INTERACTIVE)
    assert chosen.preference("duckdb", "w", "etl") == ("small", Priority.BATCH)
    assert chosen.preference("spark", "w", "etl") == ("", Priority.BATCH), "Spark has no such size"


def test_connections_are_bounded(tmp_path: Path) -> None:
    text = (
        "[connections]\nmost = 50\nreserved = 5\n[workspaces.small]\nconnections = 7\n[workspaces.other]\nweight = 2\n"
    )
    chosen = declared(tmp_path, text)
    assert chosen.connections == {"most": 50, "reserved": 5}
    assert chosen.workspace_connections == {"small": 7}


def test_the_tables_volume_has_a_reserve(tmp_path: Path) -> None:
    assert Reserve((tmp_path,), **declared(tmp_path, "[tables]\nreserve = 20\n").tables).least_bytes == 20 << 20


def test_the_metastore_is_bounded(tmp_path: Path) -> None:
    text = "[metastore]\nbackends = 50\nbackends_per_role = 20\nbackends_reserved = 0\nwait_seconds = 1.5\n"
    chosen = RelayLimits(**declared(tmp_path, text + "statement_seconds = 0").metastore)
    assert chosen == RelayLimits(50, 20, backends_reserved=0, wait_seconds=1.5, statement_seconds=0)


def test_workspaces_have_roles_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = "arn:aws-cn:iam::123456789012:role/lake/analytics"
    text = f"[workspaces.a]\ns3_role = '{arn}'\ns3_external_id = 'ours'\n[workspaces.b]\ns3_role = '{arn}'\n"
    monkeypatch.setenv("LAKEGATE_S3_ROLE", "arn:aws:iam::123456789012:role/all")
    monkeypatch.setenv("LAKEGATE_S3_EXTERNAL_ID", "theirs")
    for ending, shared in (("", True), ("[s3]\nshare_role = false", False)):
        store = Config.load(tmp_path, "127.0.0.1:0", Warehouse(declaration=declared(tmp_path, text + ending))).objects
        assert store.roles == {"a": Role(arn, "ours"), "b": Role(arn)}
        assert (store.role, store.shared) == (Role("arn:aws:iam::123456789012:role/all", "theirs"), shared)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[engines", "(at end of document)"),
        ("[engine.duckdb]", "engine: there is no such key; here may be queue, engines"),
        ("[engines.trino]", "engines.trino: there is no such key; here may be duckdb, spark"),
        ("[engines.duckdb]\nwarms = 1", "engines.duckdb.warms: there is no such key; here may be warm,"),
        ("[engines.duckdb]\nwarm = -1", "engines.duckdb.warm: must be a whole number, at least 0, not -1"),
        ("[engines.duckdb]\nwarm = true", "engines.duckdb.warm: must be a whole number, at least 0, not True"),
        ("[engines.duckdb]\nmost = 0", "engines.duckdb.most: must be a whole number, at least 1"),
        ("[engines.duckdb]\nmemory = 1", "engines.duckdb.memory: must be a whole number, at least 64"),
        ("[engines.duckdb]\nidle_seconds = inf", "engines.duckdb.idle_seconds: must be a number"),
        ("[engines.duckdb]\nhedged = 1", "engines.duckdb.hedged: must be true or false"),
        ("[engines.duckdb]\nnode_types = 'spot'", "engines.duckdb.node_types: must be a list of names"),
        ("[engines.duckdb.sizes.large]\nsize = 'x'", "engines.duckdb.sizes.large.size: there is no such key"),
        ("[engines.duckdb]\nsizes = 1", "engines.duckdb.sizes: must be a table; write [engines.duckdb.sizes]"),
        ("[workspaces.w]\nbudget_window = 9", "workspaces.w.budget_window: there is no budget; write budget"),
        ("[workspaces.w]\nweight = 0", "workspaces.w.weight: must be a number, at least 0.001"),
        ("[workspaces.w]\ns3_role = 'admin'", "workspaces.w.s3_role: must be a role's ARN, such as"),
        ("[workspaces.w]\ns3_role = 'arn:aws:iam::1:user/x'", "workspaces.w.s3_role: must be a role's ARN, such as"),
        ("[workspaces.w]\ns3_external_id = 'ours'", "workspaces.w.s3_external_id: there is no role; write s3_role"),
        ("[workspaces.w]\ns3_external_id = ' '", "workspaces.w.s3_external_id: must be 2 to 1224 of"),
        ("[principals.p]\ns3_role = 'x'", "principals.p.s3_role: there is no such key"),
        ("[connections]\nmost = 0", "connections.most: must be a whole number, at least 1, not 0"),
        ("[tables]\nreserve = -1", "tables.reserve: must be a whole number, at least 0, not -1"),
        ("[metastore]\nbackends = 0", "metastore.backends: must be a whole number, at least 1, not 0"),
        ("[metastore]\nmost = 2", "metastore.most: there is no such key; here may be backends, backends_per_role"),
        ("[workspaces.w]\nconnections = -1", "workspaces.w.connections: must be a whole number, at least 0, not -1"),
        ("[s3]\nrole = 'x'", "s3.role: there is no such key; here may be share_role"),
        ("[s3]\nshare_role = 0", "s3.share_role: must be true or false, not 0"),
        ("[principals.p]\npriority = 'high'", 'principals.p.priority: must be "interactive" or "batch", not'),
        ("[principals.p]\nsize = 'large'", "principals.p.size: no engine has the size 'large', only: none; declare it"),
        ("[principals.p]\nweight = 2", "principals.p.weight: there is no such key; here may be size, priority"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"warehouse\.toml: ") as told:
        declared(tmp_path, text)
    assert complaint in str(told.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[engines.duckdb]\nwarm = 20", "engines.duckdb: more machines are kept warm than the 16 that there may be"),
        ("[engines.duckdb]\nnode_types = ['spot']", "nothing describes 'spot'; node types are those of --spawner"),
        ("[engines.duckdb.sizes.big]\nwarm_limit = 20", "engines.duckdb.sizes.big: more machines are kept warm"),
    ],
)
def test_the_command_line_refuses_what_does_not_fit_together(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "warehouse.toml"
    file.write_text(text)
    told = CliRunner().invoke(main, ["serve", "--data", str(tmp_path), "--warehouse", str(file)])
    assert told.exit_code == 2
    assert complaint in " ".join(told.output.split())


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["serve", "--data", str(tmp_path), "--warehouse", str(tmp_path / "none.toml")])
    assert told.exit_code == 2
    assert "No such file" in told.output
