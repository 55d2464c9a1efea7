"""The histories of the control tables: one of the account's database, one of every workspace's.

Each revision is a small Python file (Alembic's) beside a file of plain SQL with the same name. Revisions are never
edited once released; going back is restoring a backup. The version table is ``lakegate.migration`` in each database.
"""

from enum import StrEnum
from pathlib import Path

import psycopg
from psycopg.errors import InvalidSchemaName, UndefinedTable

from catalog.endpoint import Endpoint


class History(StrEnum):
    ACCOUNT = "account"
    WORKSPACE = "workspace"

    @property
    def folder(self) -> Path:
        return Path(__file__).parent / self.value

    @property
    def newest(self) -> str:
        """Revisions are called ``r`` and a number, and their files begin so."""
        return max(path.name for path in self.folder.glob("r*.py")).partition("_")[0]


def migrate(endpoint: Endpoint, history: History) -> None:
    """Brings one database up to the newest revision; does nothing when it is there. Blocks: call it in a thread."""
    if _revision(endpoint) != history.newest:
        _upgrade(endpoint, history)


def run_script(revision_file: str) -> None:
    """Runs the SQL file beside a revision, inside its transaction. Called by revisions only."""
    from alembic import op

    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute(Path(revision_file).with_suffix(".sql").read_bytes())


def _revision(endpoint: Endpoint) -> str | None:
    """Where the database is; None where nothing has been made yet."""
    with psycopg.connect(endpoint.conninfo()) as connection:
        try:
            row = connection.execute("SELECT version_num FROM lakegate.migration").fetchone()
        except (InvalidSchemaName, UndefinedTable):
            return None
    return None if row is None else str(row[0])


def _upgrade(endpoint: Endpoint, history: History) -> None:
    """Loads Alembic only now: it would cost every start of a gateway half a second."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("version_locations", str(history.folder))
    config.set_main_option("path_separator", "os")
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(endpoint.conninfo()), poolclass=NullPool
    )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
