"""Definitions change in a block's own transaction, and folders that lose their table, or never get one, are known."""

from catalog.migrations import run_script

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    run_script(__file__)
