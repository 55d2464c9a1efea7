"""Gateways that know each other, and limits on the connections of a role."""

from catalog.migrations import run_script

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    run_script(__file__)
