"""What is known of each table's newest version, and what tools are told of it."""

from catalog.migrations import run_script

revision = "r0004"
down_revision = "r0003"


def upgrade() -> None:
    run_script(__file__)
