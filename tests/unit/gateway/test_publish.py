import asyncio
from typing import Any

import pytest

from pipeline.adapters.telemetry.metrics import GATEWAY_EVENTS_ACCEPTED, GATEWAY_OVERLOADS
from pipeline.adapters.web.budget import ByteBudget
from pipeline.errors import BrokerUnavailable, Overloaded
from pipeline.events.envelope import Record
from pipeline.gateway.publish import Publisher
from pipeline.topics import DEAD_LETTERS, SPANS, TRACES
from tests.support.gateway import MemoryProducer, gateway_settings

RECORD = Record(b"key", b"x" * 97, ())


def overloads(bound: str) -> float:
    return GATEWAY_OVERLOADS.labels(bound)._value.get()


def accepted(topic: str) -> float:
    return GATEWAY_EVENTS_ACCEPTED.labels(topic)._value.get()


class Parts:
    def __init__(self, bytes_max: int = 1000, timeout_seconds: float = 5.0, **settings: Any) -> None:
        self.producer = MemoryProducer()
        self.budget = ByteBudget(bytes_max, retry_after_seconds=3)
        given = gateway_settings(publish_timeout_seconds=timeout_seconds, retry_after_seconds=3, **settings)
        self.publisher = Publisher(given, self.producer, self.budget)


async def test_all_topics_of_a_request_are_published_and_counted_and_the_bytes_given_back() -> None:
    parts = Parts()
    before = accepted("spans")

    await parts.publisher.publish({SPANS: [RECORD] * 3, DEAD_LETTERS: [RECORD]})

    assert parts.producer.counts() == {"spans": 3, "dead-letters": 1}
    assert accepted("spans") == before + 3
    assert parts.budget.used == 0


async def test_more_bytes_than_may_be_in_flight_are_refused_before_anything_is_published() -> None:
    parts = Parts(bytes_max=250)
    parts.producer.confirms.clear()
    first = asyncio.create_task(parts.publisher.publish({TRACES: [RECORD] * 2}))
    await asyncio.sleep(0)

    with pytest.raises(Overloaded) as refusal:
        await parts.publisher.publish({TRACES: [RECORD]})

    assert refusal.value.retry_after_seconds == 3
    parts.producer.confirms.set()
    await first
    assert parts.producer.counts() == {"traces": 2}


async def test_records_refused_for_their_bytes_leave_their_places_to_others() -> None:
    parts = Parts(bytes_max=250, in_flight_records_max=3)
    for _ in range(3):
        with pytest.raises(Overloaded, match="bytes"):
            await parts.publisher.publish({TRACES: [RECORD] * 3})

    await parts.publisher.publish({TRACES: [RECORD] * 2})

    assert parts.producer.counts() == {"traces": 2}


async def test_a_kafka_that_does_not_confirm_in_time_is_overload_and_its_bytes_stay_counted() -> None:
    parts = Parts(timeout_seconds=0.01)
    parts.producer.confirms.clear()
    before = overloads("publish_timeout")

    with pytest.raises(Overloaded, match=r"not confirmed within 0\.01 s"):
        await parts.publisher.publish({TRACES: [RECORD]})

    assert overloads("publish_timeout") == before + 1
    assert parts.budget.used == 100
    parts.producer.confirms.set()
    await parts.publisher.drain()
    assert parts.budget.used == 0
    assert parts.producer.counts() == {"traces": 1}


@pytest.mark.parametrize("topics", [[TRACES], [TRACES, DEAD_LETTERS]])
async def test_a_broker_that_refuses_is_counted_as_such_and_the_bytes_are_given_back(topics: list[object]) -> None:
    parts = Parts()
    parts.producer.break_down()
    before = overloads("broker")

    with pytest.raises(BrokerUnavailable):
        await parts.publisher.publish({topic: [RECORD] for topic in topics})  # type: ignore[misc]

    assert overloads("broker") == before + 1
    assert parts.budget.used == 0


async def test_a_request_that_is_cancelled_does_not_take_its_records_back() -> None:
    parts = Parts()
    parts.producer.confirms.clear()
    publishing = asyncio.create_task(parts.publisher.publish({TRACES: [RECORD]}))
    await asyncio.sleep(0)

    publishing.cancel()
    await asyncio.wait([publishing])
    parts.producer.confirms.set()
    await parts.publisher.drain()

    assert parts.producer.counts() == {"traces": 1}
    assert parts.budget.used == 0


async def test_a_failure_after_the_timeout_is_not_lost_silently_and_does_not_stop_draining() -> None:
    parts = Parts(timeout_seconds=0.01)
    parts.producer.confirms.clear()
    with pytest.raises(Overloaded):
        await parts.publisher.publish({TRACES: [RECORD]})
    parts.producer.break_down()

    parts.producer.confirms.set()
    await parts.publisher.drain()

    assert parts.budget.used == 0


async def test_nothing_to_publish_is_published_at_once() -> None:
    parts = Parts()

    await parts.publisher.publish({})

    assert parts.producer.counts() == {}


async def test_records_in_flight_are_bounded_and_a_refused_request_leaves_none_behind() -> None:
    parts = Parts(bytes_max=10_000, in_flight_records_max=10)
    parts.producer.confirms.clear()
    first = asyncio.create_task(parts.publisher.publish({TRACES: [RECORD] * 8}))
    await asyncio.sleep(0)
    before = overloads("in_flight_records")

    with pytest.raises(Overloaded, match="8 of 10 records"):
        await parts.publisher.publish({TRACES: [RECORD] * 3})

    assert (overloads("in_flight_records"), parts.budget.used) == (before + 1, 800)
    parts.producer.confirms.set()
    await first
    await parts.publisher.publish({TRACES: [RECORD] * 10})


async def test_a_workspace_holds_its_share_of_the_records_only() -> None:
    parts = Parts(bytes_max=10_000, in_flight_records_max=10, workspace_share_max=0.5)
    parts.producer.confirms.clear()
    mine, other = (Record(b"key", b"x" * 97, (), workspace=name) for name in ("mine", "other"))
    first = asyncio.create_task(parts.publisher.publish({TRACES: [mine] * 5}))
    await asyncio.sleep(0)

    with pytest.raises(Overloaded, match="5 of 5 records"):
        await parts.publisher.publish({TRACES: [mine]})

    second = asyncio.create_task(parts.publisher.publish({TRACES: [other] * 5}))
    parts.producer.confirms.set()
    await asyncio.gather(first, second)


async def test_what_every_partition_must_have_goes_to_each_of_them() -> None:
    parts = Parts()

    await parts.publisher.publish_everywhere(TRACES, lambda number: Record(None, b"%d" % number, (), number))

    assert [(record.partition, record.value) for record in parts.producer.of(TRACES)] == [
        (0, b"0"), (1, b"1"), (2, b"2"),
    ]  # fmt: skip


async def test_a_kafka_that_does_not_say_its_partitions_is_overload() -> None:
    parts = Parts(timeout_seconds=0.01)
    parts.producer.confirms.clear()
    before = overloads("publish_timeout")

    with pytest.raises(Overloaded):
        await parts.publisher.publish_everywhere(TRACES, lambda _: RECORD)

    assert overloads("publish_timeout") == before + 1
    parts.producer.confirms.set()
    parts.producer.break_down()
    with pytest.raises(BrokerUnavailable):
        await parts.publisher.publish_everywhere(TRACES, lambda _: RECORD)
