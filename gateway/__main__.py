"""``python -m gateway``: the command line, where no script is installed."""

from gateway.cli import main

main(prog_name="lakegate")
