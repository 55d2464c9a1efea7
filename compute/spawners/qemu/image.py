"""The guest images that a host's machines boot from, as `deploy` left them in the cache folder."""

from pathlib import Path

from compute.spawners import CannotStart

FILES = ("vmlinuz", "initrd", "root.erofs")
_SPARK = ("spark-image", "python -m deploy.spark --microvm")
_OTHERS = ("guest", "python -m deploy.guest")


def find_image(cache: Path, engine: str) -> Path:
    """The folder of the engine's image that was built last: Spark has one of its own, with Java in it.

    Raises CannotStart, naming the command that builds one.
    """
    folder, command = _SPARK if engine == "spark" else _OTHERS
    image = cache / folder / "current"
    if not all((image / name).is_file() for name in FILES):
        raise CannotStart(f"there is no guest image in {image}: build one with {command}")
    return image.resolve()
