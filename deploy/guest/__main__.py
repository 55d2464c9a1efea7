"""``python -m deploy.guest``: builds what is missing and prints where it is."""

import os

import click

from compute.spark.cache import cache_folder
from compute.spawners.qemu.command import PROGRAM
from deploy.guest import host
from deploy.guest.image import build, build_oci


@click.command()
@click.option("--oci", is_flag=True, help="An OCI archive of it, to be run with ENTRYPOINT.")
@click.argument("entrypoint", nargs=-1)
def main(oci: bool, entrypoint: tuple[str, ...]) -> None:
    """Prints the image's folder, or the archive. The folder is for microVMs, so their QEMU is installed too."""
    cache = cache_folder(os.environ)
    if oci:
        click.echo(build_oci(cache, entrypoint))
    else:
        host.require(PROGRAM)
        click.echo(build(cache))


if __name__ == "__main__":
    main()
