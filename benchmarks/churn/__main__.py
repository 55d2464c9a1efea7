"""``python -m benchmarks.churn lakegate|bare ORDER``: a subject's process. A line in, a round, a line of JSON out."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path

import uvloop

from benchmarks.churn.bare import bare
from benchmarks.churn.lakegate import lakegate
from benchmarks.churn.lives import Lives, Order

Subject = Callable[[Order], AbstractAsyncContextManager[Callable[[], Awaitable[Lives]]]]
SUBJECTS: Mapping[str, Subject] = {"lakegate": lakegate, "bare": bare}


def main() -> None:
    name, content = sys.argv[1:]
    told = json.loads(content)
    paths = {field: Path(told[field]) for field in ("kubeconfig", "folder")}
    uvloop.run(_serve(SUBJECTS[name], Order(**(told | paths))))


async def _serve(subject: Subject, order: Order) -> None:
    async with subject(order) as churn:
        print("ready", flush=True)
        async for _ in _lines():
            print(json.dumps(asdict(await churn())), flush=True)


async def _lines() -> AsyncIterator[str]:
    """Until the suite has no more to ask."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line


if __name__ == "__main__":
    main()
