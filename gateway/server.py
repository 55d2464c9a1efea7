"""The composition root: puts the metastore, the pool, the relay and the doors together, serves, and drains.

Lifecycle: `Server.running()` is a context. Entering opens the metastore with its catalog, and beside them the pool,
since neither needs the other; then the relay and the listener, which need both. Leaving closes it in reverse, after the
clients have gone. What is opened is closed even when another part fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
from typing import TYPE_CHECKING

import click

from catalog.catalog import UNKNOWN_USERS, Catalog
from catalog.commit import withdraw
from catalog.credentials import CredentialProvider
from catalog.external import ExternalPostgres
from catalog.locations import BLOCKS, STAGING, workspace_folder
from catalog.postgres import EmbeddedPostgres
from compute.objects import ObjectReader
from compute.pool import Pool
from compute.spawners import CannotStart, Supersedable
from gateway import tls
from gateway.activity import Activity
from gateway.admission import Admission, Quota
from gateway.auth.throttle import Throttle
from gateway.cancel import Cancels
from gateway.config import Config, IsolationLevel
from gateway.conversation import Conversation
from gateway.entry import Reception
from gateway.issuers import Issuers
from gateway.keys import Keyring
from gateway.metrics import published
from gateway.pgwire.listener import Listener, Terms
from gateway.proofs import Gatekeeper
from gateway.relay import Relay
from gateway.relay.limits import RelayLimits
from gateway.replica import Replica
from gateway.reserve import Reserve
from gateway.scratch import sweep_all
from gateway.services import Services
from gateway.settings import Verdicts
from gateway.sole import SolePrincipal
from gateway.spawners import make_spawner
from gateway.storage import Storage
from gateway.warehouse import pool_config, present_engines
from gateway.writers import Writers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from catalog.endpoint import Server as Metastore
    from compute.spawners import Isolation

OWN_CONNECTIONS = 100
"""Of the embedded metastore: for the catalog's work, which no session's statements are to keep out."""
log = logging.getLogger(__name__)


class Server:
    """One gateway. `port` and `catalog` are known while it runs; `password` is the admin's, None where it was set
    before. `ending` is set when it should serve no longer, `superseded` then says why if nobody asked it to."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.port = 0
        self.password = config.admin_password
        self.machine_uid: int | None = None
        self.ending = asyncio.Event()
        self.superseded: str | None = None
        self._keyring = Keyring()
        self._quota = _quota(config)
        self._relay_limits = RelayLimits(**config.warehouse.declaration.metastore)
        self._activity = Activity(self._keyring, Admission(self._quota))
        self._credentials = CredentialProvider(config.objects)
        self.catalog: Catalog

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves while the context lasts. Raises OSError when the address is taken, CannotStart without machines."""
        config = self.config
        async with contextlib.AsyncExitStack() as stack:
            if config.metrics is not None:
                stack.enter_context(published(*config.metrics, self._activity.__len__))
            await asyncio.to_thread(_make_folders, config)
            self.catalog, pool, shown = await self._open_parts(stack)
            relay = Relay(self.catalog.relay_endpoint, self._relay_limits, self.catalog.version)
            stack.push_async_callback(relay.close)
            services = Services(
                self.catalog,
                relay,
                pool,
                config.limits,
                config.warehouse.declaration,
                Verdicts(),
                Writers(self.catalog.writer_rows.held),
                Storage(config.spool_directory, config.limits),
                Reserve((config.warehouse_root,), **config.warehouse.declaration.tables),
                present_engines(config),
                config.warehouse.spark_spawner == "qemu",
            )
            sole = _sole_principal(config, pool.isolation)
            reported = await self._read_reported(relay)
            self._keyring.unlock(self.catalog.derive_secret)
            replica = Replica(self.catalog.gateways, self._keyring)
            await stack.enter_async_context(replica.joined())
            keeper = Gatekeeper(
                config.access,
                Issuers(config.access.issuers),
                self.catalog.derive_secret(UNKNOWN_USERS),
                shown.end_point if config.access.channel_binding else None,
            )
            reception = Reception(services, self._activity, keeper, Throttle(config.access.logins), reported, sole)
            listener = Listener(
                Terms(
                    make_handler=lambda door: Conversation(reception, door),
                    cancel=Cancels(self._activity, self._keyring, replica).receive,
                    tls=shown.context,
                    max_connections=self._quota.most,
                    login_seconds=config.access.logins.login_seconds,
                    balancers=config.access.balancers,
                )
            )
            _, self.port = await listener.listen(config.host, config.port)
            stack.push_async_callback(listener.drain, config.limits.drain_seconds)
            await replica.announce(*(config.advertised or (config.host, self.port)), shown.certificate)
            yield

    @property
    def url(self) -> str:
        """Where clients connect; without a password."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"postgresql://{self.config.admin}@{host}:{self.port}/{self.config.workspace}"

    async def _open_parts(self, stack: contextlib.AsyncExitStack) -> tuple[Catalog, Pool, tls.Appearance]:
        """Side by side. Raises what the first that fails has raised."""
        try:
            async with asyncio.TaskGroup() as group:
                catalog = group.create_task(self._open_catalog(stack))
                pool = group.create_task(self._open_pool(stack))
                shown = group.create_task(asyncio.to_thread(tls.make_appearance, self.config))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return catalog.result(), pool.result(), shown.result()

    async def _open_catalog(self, stack: contextlib.AsyncExitStack) -> Catalog:
        config = self.config
        metastore = await self._open_metastore(stack)
        catalog = Catalog(
            metastore,
            warehouse_root=str(config.warehouse_root),
            credentials=self._credentials,
            sessions=self._activity,
        )
        await catalog.open()
        stack.push_async_callback(catalog.close)
        password = config.admin_password or secrets.token_urlsafe(18)
        if await catalog.bootstrap(config.admin, password) and config.admin_password is None:
            self.password = password
            click.echo(f"password of user {config.admin}, shown only now: {password}")
        await catalog.create_workspace(config.workspace)
        return catalog

    async def _open_metastore(self, stack: contextlib.AsyncExitStack) -> Metastore:
        if self.config.metastore_dsn is not None:
            return ExternalPostgres(self.config.metastore_dsn)
        connections = self._relay_limits.backends + OWN_CONNECTIONS
        settings = {"max_connections": str(connections)}
        embedded = EmbeddedPostgres(self.config.metastore_directory, settings=settings)
        await embedded.start()
        stack.push_async_callback(embedded.stop)
        return embedded

    async def _open_pool(self, stack: contextlib.AsyncExitStack) -> Pool:
        config = pool_config(self.config)
        spawner = make_spawner(self.config)
        objects, root = ObjectReader(self._credentials), str(self.config.warehouse_root)
        pool = Pool(spawner, config, lambda workspace: workspace_folder(root, workspace), objects)
        stack.push_async_callback(pool.close)
        if isinstance(spawner, Supersedable):
            spawner.watch_name(self._give_way)
        await pool.start()
        for resource in pool.isolation.unbounded:
            log.warning("a machine can take from others: %s", resource)
        self.machine_uid = pool.isolation.guest_uid
        workspace = workspace_folder(root, self.config.workspace)
        if self.machine_uid is not None:
            await asyncio.to_thread(os.chown, workspace, self.machine_uid, self.machine_uid)
        return pool

    def _give_way(self, reason: str) -> None:
        self.superseded = reason
        self.ending.set()

    async def _read_reported(self, relay: Relay) -> Mapping[str, str]:
        session = relay.open(self.config.admin, self.config.workspace)
        try:
            return await session.read_defaults()
        finally:
            await session.close()


async def serve(server: Server, prepare: Callable[[], Awaitable[None]] | None = None) -> None:
    """Serves until SIGINT or SIGTERM, then drains. `prepare` runs when clients may connect, before that is announced.

    Raises CannotStart after it has drained because another gateway has its machines.
    """
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, server.ending.set)
    async with server.running():
        if prepare is not None:
            await prepare()
        _settle()
        click.echo(f"ready {server.url}")
        await server.ending.wait()
        log.info("draining")
    if server.superseded is not None:
        raise CannotStart(server.superseded)


def _settle() -> None:
    """What is loaded by now stays. Each full collection would look through it, for 0.1 s in which nobody is
    answered."""
    gc.collect()
    gc.freeze()


def _quota(config: Config) -> Quota:
    """The warehouse file goes before."""
    limits, declared = config.limits, config.warehouse.declaration
    counts = {"most": limits.connections, "reserved": limits.reserved_connections, **declared.connections}
    return Quota(**counts, workspaces=declared.workspace_connections)


def _sole_principal(config: Config, isolation: Isolation) -> SolePrincipal | None:
    """Where machines cannot be kept apart, one user at most may use them, unless the operator has said otherwise."""
    if isolation.level != "none" or config.warehouse.isolation is IsolationLevel.NONE:
        return None
    for reason in isolation.missing:
        log.warning("machines cannot be isolated: %s", reason)
    log.warning("serving one principal only; start with --isolation none to serve all without isolation")
    return SolePrincipal()


def _make_folders(config: Config) -> None:
    config.data.mkdir(parents=True, exist_ok=True, mode=0o711)
    config.warehouse_root.mkdir(exist_ok=True, mode=0o755)
    os.makedirs(workspace_folder(str(config.warehouse_root), config.workspace), exist_ok=True, mode=0o755)
    sweep_all(config.warehouse_root, STAGING)
    sweep_all(config.warehouse_root, BLOCKS, withdraw)
