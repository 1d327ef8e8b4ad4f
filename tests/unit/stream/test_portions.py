import asyncio

from pipeline.stream.portions import Portions


async def worked_between_turns(portions: Portions, shares: list[int]) -> list[int]:
    """Let one task each work on `shares`; return what was worked on between any two turns of the event loop."""
    worked = [0]

    async def work(items: int) -> None:
        await portions.turn(items)
        worked[-1] += items

    working = [asyncio.create_task(work(items)) for items in shares]
    while not all(task.done() for task in working):
        await asyncio.sleep(0)
        worked.append(0)
    return worked


async def test_many_small_shares_are_no_more_at_once_than_a_large_one() -> None:
    worked = await worked_between_turns(Portions(100), [30] * 64)

    assert sum(worked) == 64 * 30
    assert max(worked) <= 100


async def test_what_is_less_than_a_portion_is_done_at_once() -> None:
    assert (await worked_between_turns(Portions(100), [30, 30, 30]))[0] == 90


async def test_a_share_that_is_larger_than_a_portion_has_a_turn_alone() -> None:
    worked = await worked_between_turns(Portions(100), [10, 500, 10])

    assert [items for items in worked if items] == [10, 500, 10]
