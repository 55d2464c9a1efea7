"""Clients are told of their own connections, and psql 15 and 16 of databases by the column that they know."""

from catalog.migrations import run_script

revision = "r0011"
down_revision = "r0010"


def upgrade() -> None:
    run_script(__file__)
