"""Signals act at once, also inside a block; what runs with the metastore's rights reads nothing of a user's."""

from catalog.migrations import run_script

revision = "r0007"
down_revision = "r0006"


def upgrade() -> None:
    run_script(__file__)
