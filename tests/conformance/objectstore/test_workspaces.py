"""Each workspace's tables are read by its own role: by name in the store's trail, and no other workspace's folder."""

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError
from psycopg import errors

from catalog.credentials import CredentialProvider, ObjectStore, Role
from catalog.errors import InsufficientPrivilege
from catalog.names import TableName
from catalog.snapshot_cache import SnapshotCache
from tests.conformance.objectstore.test_credentials import as_lent
from tests.conformance.objectstore.test_gateway import located
from tests.fix_gateway import NO_MACHINES, lake_folder, register, running_gateway
from tests.lakes import write_table
from tests.objectstore.server import BUCKET, ROLES, TENANTS, Store
from tests.target import Target

OWN, OTHERS = TableName("stored", "own"), TableName("stored", "others")
PLACES = {name: f"s3://{BUCKET}/{name}/t" for name in TENANTS}
DECLARED = """
[s3]
share_role = false
[workspaces.analytics]
s3_role = "arn:aws:iam::000000000000:role/analytics"
[workspaces.sales]
s3_role = "arn:aws:iam::000000000000:role/sales"
s3_external_id = "lakegate"
"""


@pytest.fixture(scope="module")
def tenants(store: Store, tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """A table in each one's folder, and roles for these folders alone."""
    for number, name in enumerate(TENANTS):
        store.upload(Path(write_table(tmp_path_factory.mktemp(name) / "t", {"id": [number]})), f"{name}/t")
    return replace(store.settings(), roles={name: Role(f"{ROLES}{name}") for name in TENANTS}, shared=False)


@pytest.mark.parametrize(("reader", "other"), [TENANTS, TENANTS[::-1]])
def test_a_workspaces_credentials_reach_its_own_folder_only(
    store: Store, tenants: ObjectStore, reader: str, other: str
) -> None:
    provider = CredentialProvider(tenants)
    own = as_lent(store, provider.lend(reader, PLACES[reader]))
    assert own.list_objects_v2(Bucket=BUCKET, Prefix=f"{reader}/t/")["KeyCount"] > 1
    with pytest.raises(ClientError) as caught:
        as_lent(store, provider.lend(reader, PLACES[other])).list_objects_v2(Bucket=BUCKET, Prefix=f"{other}/t/")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_store_knows_sessions_by_their_workspaces(store: Store, tenants: ObjectStore) -> None:
    provider = CredentialProvider(tenants)
    for name in TENANTS:
        caller = as_lent(store, provider.lend(name, PLACES[name]), "sts").get_caller_identity()["Arn"]
        assert caller.endswith(f":assumed-role/{name}/lakegate-{name}")


def test_an_external_id_is_told_where_the_role_has_one(tenants: ObjectStore) -> None:
    roles = {"analytics": Role(f"{ROLES}analytics", "ours"), "sales": Role(f"{ROLES}sales")}
    provider, sent = CredentialProvider(replace(tenants, roles=roles)), []

    def note(request: Any, **_: Any) -> None:
        sent.append(parse_qs(request.body).get("ExternalId"))

    provider._sts.meta.events.register("before-send.sts.AssumeRole", note)
    for name in TENANTS:
        provider.lend(name, PLACES[name])
    assert sent == [["ours"], None]


def test_who_has_no_role_reads_nothing_unless_the_gateways_is_shared(tenants: ObjectStore) -> None:
    with pytest.raises(InsufficientPrivilege, match="workspace guests has no role") as caught:
        CredentialProvider(tenants).lend("guests", PLACES["sales"])
    assert '[workspaces."guests"] s3_role' in (caught.value.hint or "")
    assert CredentialProvider(replace(tenants, shared=True)).lend("guests", PLACES["sales"])


async def test_a_log_that_one_has_read_is_not_anothers_to_see(tenants: ObjectStore) -> None:
    cache = SnapshotCache(CredentialProvider(tenants))
    try:
        read = await cache.read("sales", OWN, PLACES["sales"])
        assert await cache.read("sales", OWN, PLACES["sales"]) is read
        for version in (None, read.version):
            with pytest.raises(InsufficientPrivilege):
                await cache.read("analytics", OWN, PLACES["sales"], version)
    finally:
        cache.close()


@pytest.fixture(scope="module")
def served(store: Store, tenants: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A gateway whose workspaces each have both tables, registered by one who could read all."""
    file, password = tmp_path_factory.mktemp("declared") / "warehouse.toml", secrets.token_urlsafe()
    file.write_text(DECLARED)
    with lake_folder({}, password) as data:
        for own, other in (TENANTS, TENANTS[::-1]):
            config = replace(NO_MACHINES, data=data, admin_password=password, workspace=own, objects=store.settings())
            asyncio.run(register(config, {OWN: PLACES[own], OTHERS: PLACES[other]}))
        options = ("--min-machines", "0", "--warehouse", str(file))
        with running_gateway(data, password, options, store.environment()) as target:
            yield target


@pytest.mark.parametrize(("number", "workspace"), list(enumerate(TENANTS)))
def test_a_statement_reads_by_its_workspaces_role(served: Target, number: int, workspace: str) -> None:
    with served.connect(dbname=workspace) as connection:
        assert connection.execute("SELECT id FROM stored.own").fetchone() == (number,)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT id FROM stored.others")


def test_nobody_registers_what_its_workspaces_role_cannot_read(served: Target) -> None:
    with served.connect(dbname="analytics") as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(located("mine", PLACES["sales"]))
        connection.execute(located("mine", PLACES["analytics"]))
    with served.connect() as connection:
        connection.execute("CREATE SCHEMA stored")
        with pytest.raises(errors.InsufficientPrivilege, match="workspace demo has no role"):
            connection.execute(located("mine", PLACES["analytics"]))
