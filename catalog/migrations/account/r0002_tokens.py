"""Personal access tokens."""

from catalog.migrations import run_script

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    run_script(__file__)
