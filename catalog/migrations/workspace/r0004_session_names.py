"""What a session sees of its prepared statements and cursors."""

from catalog.migrations import run_script

revision = "r0004"
down_revision = "r0003"


def upgrade() -> None:
    run_script(__file__)
