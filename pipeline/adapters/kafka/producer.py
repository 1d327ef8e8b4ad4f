"""Publish records; return only when the broker has every one of them (`acks=all`).

Records are packed into one batch per partition. While a batch of a partition is on its way, what comes in for that
partition gathers and goes out as the next one, so that batches grow with the load and an idle gateway never waits.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.adapters.kafka.packing import pack
from pipeline.adapters.kafka.partitioner import partition_of
from pipeline.errors import BrokerUnavailable
from pipeline.events.envelope import Record
from pipeline.settings import KafkaSettings
from pipeline.topics import RECORD_BYTES_MAX, Topic

_BATCH_BYTES_MAX = 1024 * 1024


class _Delivery:
    """One call of `publish`: done when all its partitions are, failed when one is."""

    __slots__ = ("done", "waiting")

    def __init__(self, partitions: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting = partitions

    def settle(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
            return
        self.waiting -= 1
        if not self.waiting:
            self.done.set_result(None)


class EventProducer:
    """A Kafka producer of packed batches; safe to call from many tasks of one event loop."""

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._gathered: dict[tuple[str, int], list[tuple[list[Record], _Delivery]]] = {}
        self._senders: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Connect; raises BrokerUnavailable where no broker answers."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap,
            client_id=self._client_id,
            acks="all",
            max_batch_size=_BATCH_BYTES_MAX,
            max_request_size=RECORD_BYTES_MAX,
            request_timeout_ms=self._settings.request_timeout_ms,
        )
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise BrokerUnavailable(f"no Kafka at {self._settings.bootstrap}: {error!r}") from error
        self._producer = producer

    async def stop(self) -> None:
        """Send what is gathered, then disconnect."""
        await asyncio.gather(*self._senders.values())
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    async def partitions(self, topic: Topic) -> int:
        """Return how many partitions `topic` has; raises BrokerUnavailable where the broker does not say."""
        try:
            return len(await self._connected().partitions_for(topic.name))
        except KafkaError as error:
            raise BrokerUnavailable(f"no partitions of {topic.name}: {error!r}") from error

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        """Publish `records` in order per partition and wait until the broker has them all.

        Raises BrokerUnavailable where the broker does not confirm one: then any of them may, or may not, be there.
        """
        if not records:
            return
        partitions = await self.partitions(topic)
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            target = record.partition
            if target is None:
                target = partition_of(record.key or b"", partitions)
            by_partition.setdefault(target, []).append(record)
        delivery = _Delivery(len(by_partition))
        for partition, share in by_partition.items():
            self._gather(topic.name, partition, share, delivery)
        await delivery.done

    def _gather(self, topic: str, partition: int, share: list[Record], delivery: _Delivery) -> None:
        place = (topic, partition)
        self._gathered.setdefault(place, []).append((share, delivery))
        if place not in self._senders:
            self._senders[place] = asyncio.create_task(self._send(place))

    async def _send(self, place: tuple[str, int]) -> None:
        """Send what has gathered for one partition, until nothing more has."""
        try:
            while gathered := self._gathered.pop(place, None):
                error = await self._send_once(place, [record for share, _ in gathered for record in share])
                for _, delivery in gathered:
                    delivery.settle(error)
        finally:
            del self._senders[place]

    async def _send_once(self, place: tuple[str, int], records: list[Record]) -> BrokerUnavailable | None:
        topic, partition = place
        producer = self._connected()
        try:
            acks = [
                await producer.send_batch(batch, topic, partition=partition)
                for batch in pack(producer, records, last_record_alone=self._settings.last_record_alone)
            ]
            for ack in acks:
                await ack
        except KafkaError as error:
            return BrokerUnavailable(f"{topic}/{partition} was not confirmed: {error!r}")
        return None

    def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise BrokerUnavailable("the producer is not started")
        return self._producer
