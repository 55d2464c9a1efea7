"""``python -m deploy.spark``: builds what is missing and prints where it is."""

import os

import click

from compute.spark.cache import cache_folder
from deploy.spark.image import build


@click.command()
def main() -> None:
    """Prints the OCI archive."""
    click.echo(build(cache_folder(os.environ)))


if __name__ == "__main__":
    main()
