"""Work that goes on beside other work, and never longer."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

Result = TypeVar("Result")


@asynccontextmanager
async def beside(work: Coroutine[None, None, Result]) -> AsyncIterator[asyncio.Task[Result]]:
    """Do `work` beside the body, which may await it; what is not done when the body ends is cancelled.

    An error of `work` is raised where it is awaited; if the body has failed before, it is that failure that counts.
    """
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
