"""``python -m deploy.guest``: builds what is missing and prints where it is."""

import os

import click

from compute.spark.cache import cache_folder
from deploy.guest.image import build, build_oci


@click.command()
@click.option("--oci", is_flag=True, help="An OCI archive of it, to be run with ENTRYPOINT.")
@click.argument("entrypoint", nargs=-1)
def main(oci: bool, entrypoint: tuple[str, ...]) -> None:
    """Prints the image's folder, or the archive."""
    cache = cache_folder(os.environ)
    click.echo(build_oci(cache, entrypoint) if oci else build(cache))


if __name__ == "__main__":
    main()
