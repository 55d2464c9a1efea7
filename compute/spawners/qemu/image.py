"""The guest image that a host's machines boot from, as `deploy.guest` left it in the cache folder."""

from pathlib import Path

from compute.spawners import CannotStart

FILES = ("vmlinuz", "initrd", "root.erofs")


def find_image(cache: Path) -> Path:
    """The folder of the image that was built last. Raises CannotStart, naming the command that builds one."""
    image = cache / "guest" / "current"
    if not all((image / name).is_file() for name in FILES):
        raise CannotStart(f"there is no guest image in {image}: build one with python -m deploy.guest")
    return image.resolve()
