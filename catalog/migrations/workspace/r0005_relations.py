"""What is known of each table's newest version, and what tools are told of it."""

from catalog.migrations import run_script

revision = "r0005"
down_revision = "r0004"


def upgrade() -> None:
    run_script(__file__)
