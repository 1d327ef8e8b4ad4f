import asyncio

import pytest

from pipeline.query.beside import beside


async def test_it_is_done_while_the_body_waits_for_something_else() -> None:
    begun = asyncio.Event()

    async def work() -> int:
        begun.set()
        return 7

    async with beside(work()) as result:
        await begun.wait()
        assert await result == 7


async def test_what_nobody_waits_for_any_more_is_cancelled() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    async with beside(work()):
        await asyncio.sleep(0)
    assert ended == ["work"]


async def test_an_error_is_raised_where_the_result_is_awaited() -> None:
    async def work() -> None:
        raise LookupError("of the work")

    with pytest.raises(LookupError, match="of the work"):
        async with beside(work()) as result:
            await result


async def test_the_error_of_the_body_counts_before_that_of_the_work() -> None:
    async def work() -> None:
        raise LookupError("of the work")

    async def body() -> None:
        async with beside(work()):
            await asyncio.sleep(0)
            raise KeyError("of the body")

    with pytest.raises(KeyError):
        await body()
