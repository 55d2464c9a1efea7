"""``python -m deploy.spark``: builds what is missing and prints where it is."""

import os

import click

from compute.spark.cache import cache_folder
from deploy.spark.image import build, build_microvm


@click.command()
@click.option("--microvm", is_flag=True, help="An image for microVMs instead.")
def main(microvm: bool) -> None:
    """Prints the OCI archive, or the folder of the microVM's image."""
    cache = cache_folder(os.environ)
    click.echo(build_microvm(cache) if microvm else build(cache))


if __name__ == "__main__":
    main()
