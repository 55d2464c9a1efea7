"""Owners and access lists are kept ready to be read, so that asking for those of many tables costs next to nothing."""

from catalog.migrations import run_script

revision = "r0004"
down_revision = "r0003"


def upgrade() -> None:
    run_script(__file__)
