"""Work in a thread that is not left before it is done: what it makes must be there when it is taken away again."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def finish_in_thread(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """As `asyncio.to_thread`, but a cancellation waits for the end of it."""
    return await finish(asyncio.create_task(asyncio.to_thread(function, *arguments, **keywords)))


async def finish(working: "asyncio.Task[T]") -> T:
    """The task's result. A cancellation is let through only once the task is done."""
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
