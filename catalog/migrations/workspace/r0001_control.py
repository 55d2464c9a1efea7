"""The first control tables of a workspace."""

from catalog.migrations import run_script

revision = "r0001"
down_revision = None


def upgrade() -> None:
    run_script(__file__)
