"""A real metastore for tests: one embedded PostgreSQL a test session, one workspace a test."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from catalog.catalog import Catalog
from catalog.changes import Change, CreateRole, GrantMembership
from catalog.names import TableReference
from catalog.postgres import EmbeddedPostgres
from catalog.principals import Principal
from catalog.resolution import Resolution

ADMIN_PASSWORD = "only-for-tests"


@pytest.fixture(scope="session")
def passable_folder() -> Iterator[Path]:
    """A folder that the server's own account may pass, which pytest's temporary folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="lakegate-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def metastore_server(passable_folder: Path) -> Iterator[EmbeddedPostgres]:
    """The session's embedded server, started."""
    server = EmbeddedPostgres(passable_folder / "metastore", settings={"fsync": "off"})
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop(now=True))


@dataclass(frozen=True, slots=True)
class Metastore:
    """An open catalog with a workspace that no other test has, and its admin."""

    server: EmbeddedPostgres
    catalog: Catalog
    workspace: str
    admin: Principal
    warehouse: Path

    def unique(self, name: str) -> str:
        """A principal's name that no other test uses: the account is shared."""
        return f"{name}_{self.workspace}"

    async def apply(self, change: Change, who: Principal | None = None) -> None:
        await self.catalog.apply(change, who or self.admin, self.workspace)

    async def resolve(self, *references: TableReference, who: Principal | None = None, **more: Any) -> Resolution:
        path = more.pop("search_path", ("public",))
        return await self.catalog.resolve(who or self.admin, self.workspace, references, path, **more)

    async def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Asks the workspace's database as the metastore's owner."""
        conninfo = self.server.owner_endpoint(self.workspace).conninfo()
        async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
            cursor = await connection.execute(text.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def make_user(self, name: str, *groups: str) -> Principal:
        """A user of a unique name, member of `groups`."""
        await self.apply(CreateRole(self.unique(name), None, login=True))
        if groups:
            await self.apply(GrantMembership(groups, (self.unique(name),)))
        login = await self.catalog.login(self.unique(name), self.workspace)
        assert login is not None
        return login.principal


@pytest.fixture
async def metastore(metastore_server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Metastore]:
    catalog = Catalog(metastore_server, warehouse_root=str(tmp_path / "warehouse"))
    await catalog.open()
    await catalog.bootstrap("admin", ADMIN_PASSWORD)
    workspace = f"w{secrets.token_hex(4)}"
    await catalog.create_workspace(workspace)
    login = await catalog.login("admin", workspace)
    assert login is not None
    yield Metastore(metastore_server, catalog, workspace, login.principal, tmp_path / "warehouse")
    await catalog.close()
