"""What the sink says of itself on a timer: on Apache Kafka, where transactions leave markers among the records."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uuid_utils.compat as uuids
from aiokafka import AIOKafkaProducer

from pipeline.commands.bench.measure import metric_of
from pipeline.events.spans import SpanEvent
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import SPANS
from tests.support.command import RunningStage
from tests.support.installation import Installation
from tests.support.waiting import eventually

pytestmark = pytest.mark.apache_kafka

BALANCE, PARTS = "threadline_sinks_balance_records", "threadline_sinks_table_parts"
LAG, LAG_SECONDS = "threadline_kafka_lag_records", "threadline_kafka_lag_seconds"
HEADROOM, RETENTION_SECONDS = "threadline_kafka_retention_headroom_seconds", 168 * 3600


def spans(count: int) -> list[SpanEvent]:
    return [
        SpanEvent(
            workspace="w", version_us=1, received_at_us=1, id=uuids.uuid7(), trace_id=uuids.uuid7(), event="create"
        )
        for _ in range(count)
    ]


@asynccontextmanager
async def transactional(installation: Installation) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=installation.kafka.bootstrap, transactional_id="t", acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(producer: AIOKafkaProducer, events: list[SpanEvent], *, commits: bool) -> None:
    await producer.begin_transaction()
    for event in events:
        record = event.record()
        await producer.send(SPANS.name, record.value, key=record.key, headers=list(record.headers), partition=1)
    await (producer.commit_transaction() if commits else producer.abort_transaction())


async def test_balance_and_lag_are_true_with_transactions_without_storage_and_after_a_loss(
    apache_installation: Installation,
) -> None:
    installation = apache_installation
    settings = {"lag_interval_seconds": 0.2, "reconcile_interval_seconds": 0.3}
    stage = await RunningStage.start(installation.environment(settings), "sink")

    async def said(name: str, **labels: str) -> float:
        _, exposition = await stage.ask("/metrics")
        return metric_of(exposition, name, topic="spans", **labels)

    try:
        async with transactional(installation) as producer:
            for number in range(4):
                await send(producer, spans(10), commits=number != 2)
            await installation.stored()
            await eventually(lambda: said(BALANCE, term="stored"), lambda records: records == 30)
            assert (await said(BALANCE, term="accepted"), await said(BALANCE, term="gap")) == (30, 0)
            await eventually(lambda: said(LAG), lambda records: records == 0)

            await installation.clickhouse.kill()
            await send(producer, spans(5), commits=True)
            await eventually(lambda: said(LAG), lambda records: records >= 5)
            await eventually(lambda: said(LAG_SECONDS), lambda seconds: seconds > 1)
            assert 0 < await said(HEADROOM) < RETENTION_SECONDS - 1
            await installation.clickhouse.start()
            await installation.stored()
            await eventually(lambda: said(LAG), lambda records: records == 0)
            assert await said(LAG_SECONDS) == 0

        _, exposition = await stage.ask("/metrics")
        assert metric_of(exposition, PARTS, table="span_events") >= 1
        await installation.client.command(
            "ALTER TABLE span_events DELETE WHERE log_offset < 2", settings={"mutations_sync": 2}
        )
        await eventually(lambda: said(BALANCE, term="gap"), lambda records: records == 2)
        [balance] = [one for one in await balance_all(installation.kafka, installation.client) if one.topic == "spans"]
        assert balance.terms() == {
            "accepted": 35, "controls": 0, "stored": 33, "dead_lettered": 0, "dropped": 0, "deleted": 0, "pending": 0,
            "gap": 2,
        }  # fmt: skip
    finally:
        await stage.child.kill()
