"""A user who acts as a group holds what the group does."""

from catalog.migrations import run_script

revision = "r0012"
down_revision = "r0011"


def upgrade() -> None:
    run_script(__file__)
