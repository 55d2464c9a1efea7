"""Clients are told of the databases that they may connect to, and of how their sessions are connected."""

from catalog.migrations import run_script

revision = "r0010"
down_revision = "r0009"


def upgrade() -> None:
    run_script(__file__)
