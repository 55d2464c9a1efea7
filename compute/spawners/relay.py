"""Guests that compute nothing: processes of this host that relay to an engine elsewhere."""

from compute.spawners import Isolation
from compute.spawners.process import ProcessSpawner


class RelaySpawner(ProcessSpawner):
    """They need the host's network, so they are not shut off; what they ask for is, where it runs."""

    def __init__(self) -> None:
        super().__init__(templates=(), isolated=False)

    async def open(self) -> Isolation:
        """Nothing of a user's runs here. Raises CannotStart."""
        await super().open()
        return Isolation("virtual")
