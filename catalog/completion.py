"""Work that is not left half done: it goes on to its end, whoever cancels the task that waits for it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def complete(work: Coroutine[Any, Any, T]) -> tuple[T, bool]:
    """What it gives, and whether the caller was cancelled meanwhile: what to do then is the caller's to say. Raises
    what the work raises."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    return task.result(), cancelled


async def complete_in_thread(work: Callable[[], None]) -> None:
    """Work that blocks. Who is cancelled waits for it, as it uses what is removed then. Raises what the work raises."""
    _, cancelled = await complete(asyncio.to_thread(work))
    if cancelled:
        raise asyncio.CancelledError
