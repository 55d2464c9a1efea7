"""A gateway that is there to be killed: it starts one machine on the contract's host, says so, and waits."""

import asyncio
import sys
from pathlib import Path

from tests.fix_firecracker import SPEC, Contract, open_spawner


async def main(contract: Contract) -> None:
    spawner = open_spawner(contract)
    await spawner.open()
    machine = await spawner.start(SPEC)
    print(machine.name, flush=True)
    await machine.ended


if __name__ == "__main__":
    asyncio.run(main(Contract(Path(sys.argv[1]))))
