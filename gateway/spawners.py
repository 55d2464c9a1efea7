"""The spawners by the name that the command line gives them. Another one is a line in `SPAWNERS`."""

from collections.abc import Callable, Mapping

from compute.spawners import CannotStart, Spawner
from compute.spawners.process import ProcessSpawner
from gateway.config import Config, IsolationLevel
from gateway.warehouse import templates

NAMES = ("process", "qemu", "firecracker", "kubernetes")


def make_spawner(config: Config) -> Spawner:
    """The spawner that the warehouse asks for, not yet open. Raises CannotStart for one that this build lacks."""
    name = config.warehouse.spawner
    if name not in SPAWNERS:
        raise CannotStart(f"this build has no spawner {name!r}; it has: {', '.join(SPAWNERS)}")
    return SPAWNERS[name](config)


def _process(config: Config) -> Spawner:
    isolated = config.warehouse.isolation is not IsolationLevel.NONE
    return ProcessSpawner(templates=templates(config.warehouse), isolated=isolated)


SPAWNERS: Mapping[str, Callable[[Config], Spawner]] = {"process": _process}
