"""Questions about each table are answered from one look at the control tables; sessions come with who asks for them."""

from catalog.migrations import run_script

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    run_script(__file__)
