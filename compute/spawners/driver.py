"""Drivers of executors that a cluster elsewhere runs: processes of this host, shut off but for the network."""

import asyncio
from dataclasses import replace

from compute.spark.master import Master, Unreachable
from compute.spawners import CannotStart, Isolation
from compute.spawners.process import ProcessSpawner

OPEN_TO_ALL = (
    "whoever reaches the ports of a Spark driver without a secret can make it do anything; "
    "set spark.authenticate and its secret on the cluster, and LAKEGATE_SPARK_SECRET_FILE here"
)


class DriverSpawner(ProcessSpawner):
    """Executors must reach their driver, so it has the host's network. What it shares with others there are its ports,
    which hear nobody without the cluster's secret; a cluster that has none does not keep principals apart.

    Executors are the cluster's: they run as its user and see what it sees.
    """

    def __init__(self, master: Master, *, isolated: bool, disk_bytes: int | None) -> None:
        super().__init__(templates=(), isolated=isolated, networked=True, disk_bytes=disk_bytes)
        self._master = master

    async def open(self) -> Isolation:
        """Raises CannotStart, also where the master is not to be reached or its secret not to be read."""
        try:
            await asyncio.to_thread(self._master.connect)
            self._master.read_secret()
        except (Unreachable, OSError, ValueError) as error:
            raise CannotStart(str(error)) from None
        isolation = await super().open()
        if self._master.authenticates:
            return isolation
        return replace(isolation, level="none", missing=(*isolation.missing, OPEN_TO_ALL))
