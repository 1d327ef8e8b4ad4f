"""Hand events to Kafka and answer only when it has them all; bounded in bytes and in time.

Bytes stay counted until Kafka has confirmed or refused them, even where the request that brought them was answered 429
in the meantime: they are still held.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.metrics import GATEWAY_EVENTS_ACCEPTED, GATEWAY_OVERLOADS
from pipeline.adapters.web.budget import ByteBudget, RecordBudget
from pipeline.errors import BrokerUnavailable, Overloaded
from pipeline.events.envelope import Record
from pipeline.gateway.enforcement import Enforcement
from pipeline.settings import GatewaySettings
from pipeline.topics import Topic

_log = logs.logger(__name__)


class Producer(Protocol):
    """What publishes records: `adapters.kafka.producer.EventProducer`."""

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        """Publish `records` and return when the broker has every one; raises BrokerUnavailable."""

    async def partitions(self, topic: Topic) -> int:
        """Return how many partitions `topic` has; raises BrokerUnavailable."""


class Publisher:
    """Publishes the records of requests."""

    def __init__(
        self,
        settings: GatewaySettings,
        producer: Producer,
        budget: ByteBudget,
        enforcement: Enforcement | None = None,
    ) -> None:
        """Publish through `producer`; without `enforcement` no workspace has a quota, and nothing is masked."""
        self._settings: Final = settings
        self._producer: Final = producer
        self._budget: Final = budget
        self._enforcement: Final = enforcement
        self._records: Final = RecordBudget(
            settings.in_flight_records_max,
            retry_after_seconds=settings.retry_after_seconds,
            share_max=settings.workspace_share_max,
        )
        self._sending: Final[set[asyncio.Task[None]]] = set()

    def admit(self, workspace: str) -> None:
        """Raise Overloaded where `workspace` has used up its quota; to be asked before anything is read."""
        if self._enforcement is not None:
            self._enforcement.admit(workspace)

    async def publish(self, records_by_topic: Mapping[Topic, Sequence[Record]]) -> None:
        """Publish all records of one request, which are of one workspace, masked by its rules.

        Raises Overloaded where too many bytes are in flight or Kafka does not confirm in time, and BrokerUnavailable
        where it refuses. Then any of the records may, or may not, be there; sending them again does no harm.
        """
        workspace = next((record.workspace for records in records_by_topic.values() for record in records), None)
        if self._enforcement is not None:
            records_by_topic = await self._enforcement.masked(records_by_topic, workspace)
        size = sum(_size(record) for records in records_by_topic.values() for record in records)
        count = sum(map(len, records_by_topic.values()))
        self._records.take(count, workspace)
        try:
            self._budget.take(size, workspace)
        except Overloaded:
            self._records.release(count, workspace)
            raise
        if self._enforcement is not None:
            self._enforcement.charge(workspace, events=count, size=size)
        sending = asyncio.create_task(self._send(records_by_topic, size, count, workspace))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        async with self._in_time():
            await asyncio.shield(sending)

    async def publish_everywhere(self, topic: Topic, record_for: Callable[[int], Record]) -> None:
        """Publish to every partition of `topic` the record that `record_for` makes of its number.

        Raises as `publish` does; then some partitions may have it and others not, until it is done again.
        """
        async with self._in_time():
            partitions = await self._producer.partitions(topic)
        await self.publish({topic: [record_for(number) for number in range(partitions)]})

    async def drain(self) -> None:
        """Return when nothing is on its way to Kafka any more."""
        while self._sending:
            await asyncio.wait(self._sending)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                yield
        except TimeoutError as error:
            GATEWAY_OVERLOADS.labels("publish_timeout").inc()
            raise Overloaded(
                f"Kafka has not confirmed within {self._settings.publish_timeout_seconds:g} s",
                retry_after_seconds=self._settings.retry_after_seconds,
            ) from error
        except BrokerUnavailable:
            GATEWAY_OVERLOADS.labels("broker").inc()
            raise

    async def _send(
        self, records_by_topic: Mapping[Topic, Sequence[Record]], size: int, count: int, workspace: str | None
    ) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for topic, records in records_by_topic.items():
                    group.create_task(self._send_to(topic, records))
        except* BrokerUnavailable as failures:
            raise failures.exceptions[0] from None
        finally:
            self._budget.release(size, workspace)
            self._records.release(count, workspace)

    async def _send_to(self, topic: Topic, records: Sequence[Record]) -> None:
        await self._producer.publish(topic, records)
        GATEWAY_EVENTS_ACCEPTED.labels(topic.name).inc(len(records))

    def _sent(self, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        if not sending.cancelled() and (error := sending.exception()):
            _log.warning("events were not confirmed", reason=str(error))


def _size(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"")
