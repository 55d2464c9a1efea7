"""Owners and access lists are kept ready to be read, so that asking for those of many tables costs next to nothing."""

from catalog.migrations import run_script

revision = "r0006"
down_revision = "r0005"


def upgrade() -> None:
    run_script(__file__)
