import asyncio

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
    def __init__(self, bytes_max: int = 1000, timeout_seconds: float = 5.0) -> None:
        self.producer = MemoryProducer()
        self.budget = ByteBudget(bytes_max, retry_after_seconds=3)
        settings = gateway_settings(publish_timeout_seconds=timeout_seconds, retry_after_seconds=3)
        self.publisher = Publisher(settings, self.producer, self.budget)


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
