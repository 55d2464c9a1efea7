"""Personal access tokens."""

from catalog.migrations import run_script

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    run_script(__file__)
