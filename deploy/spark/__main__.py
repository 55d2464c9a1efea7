"""``python -m deploy.spark``: builds what is missing and prints where it is."""

import os

import click

from compute.spark.cache import cache_folder
from compute.spawners.qemu.command import PROGRAM
from deploy.guest import host
from deploy.spark.image import build, build_microvm


@click.command()
@click.option("--microvm", is_flag=True, help="An image for microVMs instead, and their QEMU.")
def main(microvm: bool) -> None:
    """Prints the OCI archive, or the folder of the microVM's image."""
    cache = cache_folder(os.environ)
    if microvm:
        host.require(PROGRAM)
        click.echo(build_microvm(cache))
    else:
        click.echo(build(cache))


if __name__ == "__main__":
    main()
