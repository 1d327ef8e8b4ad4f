import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from pipeline.errors import FatalError
from pipeline.sinks.batch import Batch, Limits, Row
from pipeline.sinks.lane import Lane
from pipeline.sinks.ranges import covering
from pipeline.sinks.thread_pass import ThreadPass, Waiting, shares_of
from tests.support.log_records import LogRecord, run_of

LOG = UUID(int=1)


def batch(offset: int, *, topic: str = "traces") -> Batch:
    filled = Batch(topic, LOG, Limits(10, 1000, 1.0, 1.0), 0.0)
    filled.add(run_of(0, LogRecord(offset)), 0.0)
    filled.own = covering(LOG, topic, filled.rows())
    return filled


def lane_with(name: str, *folded: Batch) -> Lane:
    async def never(_: object) -> None:
        raise AssertionError("these lanes only wait")

    lane = Lane(name, never, never, lambda: None, fold_rows_max=10, has_threads=True)
    lane.folded = list(folded)
    return lane


class Threads:
    """Folds threads when told to."""

    def __init__(self) -> None:
        self.opens = asyncio.Event()
        self.folded: list[dict[str, Sequence[Batch]]] = []
        self.ends = 0

    async def fold(self, waiting: Waiting) -> None:
        await self.opens.wait()
        self.folded.append(dict(waiting))

    def end(self) -> None:
        self.ends += 1

    def over(self, *lanes: Lane) -> ThreadPass:
        return ThreadPass(lanes, self.fold, self.end, interval_seconds=1.0)


async def test_one_pass_takes_what_waits_in_all_lanes_and_the_next_comes_an_interval_later() -> None:
    threads = Threads()
    threads.opens.set()
    first, spans, second = batch(0), batch(0, topic="spans"), batch(1)
    lane, other, idle = lane_with("trace_events", first), lane_with("span_events", spans), lane_with("controls")
    passing = threads.over(lane, other, idle)

    assert (passing.due_at, passing.finish(5.0), passing.due_at) == (0.0, False, None)
    assert passing.outstanding() == [first, spans]
    assert (lane.outstanding(), other.outstanding()) == ([], [])
    await asyncio.wait(passing.tasks)
    lane.folded = [second]

    assert passing.finish(5.5)
    assert (passing.due_at, passing.tasks, passing.outstanding()) == (6.0, [], []), "too early for the next"
    assert not passing.finish(6.0)
    await asyncio.wait(passing.tasks)
    assert passing.finish(6.0)
    assert threads.folded == [{"trace_events": [first], "span_events": [spans]}, {"trace_events": [second]}]
    assert (threads.ends, passing.due_at) == (2, None)


async def test_after_a_long_pass_it_rests_as_long() -> None:
    threads = Threads()
    threads.opens.set()
    lane = lane_with("trace_events", batch(0))
    passing = threads.over(lane)
    passing.finish(10.0)
    await asyncio.wait(passing.tasks)
    lane.folded = [batch(1)]

    assert passing.finish(14.0)

    assert passing.due_at == 18.0


async def test_whoever_leaves_does_not_wait_for_the_interval() -> None:
    threads = Threads()
    threads.opens.set()
    lane = lane_with("trace_events", batch(0))
    passing = threads.over(lane)
    passing.finish(1.0)
    await asyncio.wait(passing.tasks)
    lane.folded = [batch(1)]

    passing.finish(1.1, at_once=True)

    assert len(passing.tasks) == 1
    await asyncio.wait(passing.tasks)


async def test_what_comes_during_a_pass_waits_for_the_next_one() -> None:
    threads = Threads()
    first, second = batch(0), batch(1)
    lane = lane_with("trace_events", first)
    passing = threads.over(lane)
    passing.finish(1.0)
    lane.folded = [second]

    assert not passing.finish(9.0, at_once=True)
    assert (passing.due_at, passing.outstanding(), lane.folded) == (None, [first], [second])
    threads.opens.set()
    await asyncio.wait(passing.tasks)
    assert passing.finish(9.0)
    assert not passing.finish(17.0)
    assert passing.outstanding() == [second]
    await asyncio.wait(passing.tasks)


async def test_a_pass_that_failed_leaves_its_batches_outstanding_and_no_other_begins() -> None:
    async def fail(_: Waiting) -> None:
        raise FatalError("no")

    lane = lane_with("trace_events", failed := batch(0))
    passing = ThreadPass([lane], fail, lambda: None, interval_seconds=0.0)
    passing.finish(1.0)
    await asyncio.wait(passing.tasks)
    lane.folded = [batch(1)]

    with pytest.raises(FatalError):
        passing.finish(2.0)
    assert not passing.finish(3.0)
    assert (passing.outstanding(), passing.tasks) == ([failed], [])


async def test_what_is_abandoned_is_forgotten() -> None:
    threads = Threads()
    passing = threads.over(lane_with("trace_events", batch(0)))
    passing.finish(1.0)

    await passing.abandon()

    assert (passing.outstanding(), passing.tasks, threads.folded) == ([], [], [])


def test_a_share_has_at_most_one_range_of_each_table() -> None:
    first, second, spans = batch(0), batch(3), batch(7, topic="spans")
    first.replayed.append(elsewhere := covering(UUID(int=2), "traces", [Row(b"x", 1, 5, 5, None, ())]))

    shares = list(shares_of({"trace_events": [first, second], "span_events": [spans]}))

    assert [list(share) for share in shares] == [["trace_events", "span_events"], ["trace_events"]]
    assert shares[0]["trace_events"].offsets == {0: (0, 3)}
    assert shares[0]["span_events"].offsets == {0: (7, 7)}
    assert shares[1] == {"trace_events": elsewhere}


def test_batches_without_rows_touch_no_threads() -> None:
    only_skips = Batch("traces", LOG, Limits(10, 1000, 1.0, 1.0), 0.0)

    assert list(shares_of({"trace_events": [only_skips]})) == []
