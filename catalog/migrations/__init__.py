"""The histories of the control tables: one of the account's database, one of every workspace's.

Each revision is a small Python file (Alembic's) beside a file of plain SQL with the same name. Revisions are never
edited once released; going back is restoring a backup. The version table is ``lakegate.migration`` in each database.
"""

from enum import StrEnum
from pathlib import Path

import psycopg
from alembic import command, op
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from catalog.endpoint import Endpoint


class History(StrEnum):
    ACCOUNT = "account"
    WORKSPACE = "workspace"


def migrate(endpoint: Endpoint, history: History) -> None:
    """Brings one database up to the newest revision; does nothing when it is there. Blocks: call it in a thread."""
    here = Path(__file__).parent
    config = Config()
    config.set_main_option("script_location", str(here))
    config.set_main_option("version_locations", str(here / history))
    config.set_main_option("path_separator", "os")
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(endpoint.conninfo()), poolclass=NullPool
    )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def run_script(revision_file: str) -> None:
    """Runs the SQL file beside a revision, inside its transaction. Called by revisions only."""
    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute(Path(revision_file).with_suffix(".sql").read_bytes())
