"""A real metastore for tests: one embedded PostgreSQL a test session, one workspace a test."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.catalog import Catalog
from catalog.postgres import EmbeddedPostgres
from catalog.principals import Principal

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
    server = EmbeddedPostgres(passable_folder / "metastore")
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@dataclass(frozen=True, slots=True)
class Metastore:
    """An open catalog with a workspace that no other test has, and its admin."""

    catalog: Catalog
    workspace: str
    admin: Principal
    warehouse: Path

    def unique(self, name: str) -> str:
        """A principal's name that no other test uses: the account is shared."""
        return f"{name}_{self.workspace}"


@pytest.fixture
async def metastore(metastore_server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Metastore]:
    catalog = Catalog(metastore_server, warehouse_root=str(tmp_path / "warehouse"))
    await catalog.open()
    await catalog.bootstrap("admin", ADMIN_PASSWORD)
    workspace = f"w{secrets.token_hex(4)}"
    await catalog.create_workspace(workspace)
    login = await catalog.login("admin", workspace)
    assert login is not None
    yield Metastore(catalog, workspace, login.principal, tmp_path / "warehouse")
    await catalog.close()
