"""Who may signal a session, what is shown of one, and which channels are the gateway's own."""

from catalog.migrations import run_script

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    run_script(__file__)
