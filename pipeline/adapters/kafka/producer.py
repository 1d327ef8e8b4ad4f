"""Publish records; return only when the broker has every one of them (`acks=all`).

Records are packed into one batch per partition. While a batch of a partition is on its way, what comes in for that
partition gathers and goes out as the next one, so that batches grow with the load and an idle gateway never waits.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.packing import pack
from pipeline.adapters.kafka.partitioner import partition_of
from pipeline.errors import BrokerUnavailable, TooLarge
from pipeline.events.envelope import Record
from pipeline.settings import KafkaSettings
from pipeline.topics import TOPICS, Topic

_BATCH_BYTES_MAX: Final = 1024 * 1024
_FRAME_BYTES_MAX: Final = 4096
"""What headers and the framing of a batch add to key and value."""
_REQUESTS_MAX: Final = 3
"""The client gives a batch up within two request timeouts; after a third it is the client that is stuck."""

_Answer = TypeVar("_Answer")


class _Delivery:
    """One call of `publish`: done when all its partitions are, or with the first error of one."""

    __slots__ = ("done", "waiting")

    def __init__(self, partitions: int) -> None:
        # The error is a result, not the exception of the future: a caller that was cancelled never fetches it.
        self.done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.waiting = partitions

    def settle(self, error: Exception | None) -> None:
        if self.done.done():
            return
        self.waiting -= 1
        if error is not None or not self.waiting:
            self.done.set_result(error)


class EventProducer:
    """A Kafka producer of packed batches; safe to call from many tasks of one event loop."""

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._request_seconds_max = settings.request_timeout_ms / 1000
        self._producer: AIOKafkaProducer | None = None
        self._tracked: set[str] = set()
        self._gathered: dict[tuple[str, int], list[tuple[list[Record], _Delivery]]] = {}
        self._senders: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Connect; raises BrokerUnavailable where no broker answers."""
        producer = AIOKafkaProducer(
            **connection_of(self._settings),
            client_id=self._client_id,
            acks="all",
            compression_type=None if self._settings.compression == "none" else self._settings.compression,
            max_batch_size=_BATCH_BYTES_MAX,
            max_request_size=max(topic.record_bytes_max for topic in TOPICS),
            request_timeout_ms=self._settings.request_timeout_ms,
        )
        try:
            await producer.start()
        except BaseException as error:
            await producer.stop()
            if isinstance(error, KafkaError):
                raise BrokerUnavailable(f"no Kafka at {self._settings.bootstrap}: {error!r}") from error
            raise
        self._producer = producer
        self._tracked.clear()

    async def stop(self) -> None:
        """Send what is gathered, then disconnect.

        What the broker has not taken within the request timeout fails with BrokerUnavailable in its `publish`. Raises
        BrokerUnavailable where disconnecting takes longer than that again.
        """
        if self._senders:
            await asyncio.wait(self._senders.values(), timeout=self._request_seconds_max)
        await self._give_up_sending()
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(self._request_seconds_max):
                    await producer.stop()
            except TimeoutError as error:
                raise BrokerUnavailable(f"the connection to {self._settings.bootstrap} does not close") from error

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
        producer = self._connected()
        try:
            if topic.name not in self._tracked:
                # The client knows all topics when it starts, but asks later for those only that were added. One that it
                # never had to look up is forgotten with the next look-up of another, and its batches wait in vain.
                await producer.client.add_topic(topic.name)
                self._tracked.add(topic.name)
            return len(await producer.partitions_for(topic.name))
        except KafkaError as error:
            raise BrokerUnavailable(f"no partitions of {topic.name}: {error!r}") from error

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        """Publish `records` in order per partition and wait until the broker has them all.

        Raises TooLarge, with nothing published, where a record is larger than topics let through; and
        BrokerUnavailable where the broker does not confirm one: then any of them may, or may not, be there. So it is
        when the call is cancelled, which takes back what has not been sent.
        """
        if not records:
            return
        _check_sizes(topic, records)
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
        try:
            error = await delivery.done
        except asyncio.CancelledError:
            for partition in by_partition:
                self._take_back((topic.name, partition), delivery)
            raise
        if error is not None:
            # One error may fail many calls: each raises it with a traceback of its own.
            raise error.with_traceback(None)

    def _gather(self, topic: str, partition: int, share: list[Record], delivery: _Delivery) -> None:
        place = (topic, partition)
        self._gathered.setdefault(place, []).append((share, delivery))
        if place not in self._senders:
            self._senders[place] = asyncio.create_task(self._send(place))

    def _take_back(self, place: tuple[str, int], delivery: _Delivery) -> None:
        """Forget what nobody waits for any more, so that a broker that is away does not fill the memory."""
        left = [(share, other) for share, other in self._gathered.pop(place, ()) if other is not delivery]
        if left:
            self._gathered[place] = left

    async def _send(self, place: tuple[str, int]) -> None:
        """Send what has gathered for one partition, until nothing more has."""
        gathered: list[tuple[list[Record], _Delivery]] | None = None
        try:
            while gathered := self._gathered.pop(place, None):
                error = await self._send_once(place, [record for share, _ in gathered for record in share])
                _settle(gathered, error)
        except asyncio.CancelledError:
            _settle(gathered or (), BrokerUnavailable("the producer was stopped before the broker confirmed"))
            raise
        finally:
            del self._senders[place]

    async def _send_once(self, place: tuple[str, int], records: list[Record]) -> Exception | None:
        """Send `records` and return what went wrong, for those who wait."""
        topic, partition = place
        acks: list[asyncio.Future[object]] = []
        try:
            producer = self._connected()
            for batch in pack(producer, records, last_record_alone=self._settings.last_record_alone):
                ack = await self._bounded(producer.send_batch(batch, topic, partition=partition))
                ack.add_done_callback(look_at_outcome)
                acks.append(ack)
            for ack in acks:
                await self._bounded(ack)
        except (KafkaError, TimeoutError) as error:
            return BrokerUnavailable(f"{topic}/{partition} was not confirmed: {error!r}")
        except Exception as error:  # noqa: BLE001 - a fault of ours; it is raised in every `publish` that waits
            return error
        return None

    async def _bounded(self, step: Awaitable[_Answer]) -> _Answer:
        async with asyncio.timeout(_REQUESTS_MAX * self._request_seconds_max):
            return await step

    async def _give_up_sending(self) -> None:
        senders = list(self._senders.values())
        for sender in senders:
            sender.cancel()
        if senders:
            await asyncio.wait(senders)
        self._senders.clear()  # a task that is cancelled before its first step never gets to its `finally`
        for gathered in self._gathered.values():
            _settle(gathered, BrokerUnavailable("the producer was stopped before sending"))
        self._gathered.clear()

    def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise BrokerUnavailable("the producer is not started")
        return self._producer


def _settle(gathered: Sequence[tuple[list[Record], _Delivery]], error: Exception | None) -> None:
    for _, delivery in gathered:
        delivery.settle(error)


def look_at_outcome(ack: asyncio.Future[object]) -> None:
    """Fetch an outcome for which nobody may wait any more; asyncio would log it as lost."""
    if not ack.cancelled():
        ack.exception()


def _check_sizes(topic: Topic, records: Sequence[Record]) -> None:
    """Refuse what the broker would refuse; there it would take the records that share its batch with it."""
    for record in records:
        size = len(record.value or b"") + len(record.key or b"")
        if size > topic.record_bytes_max - _FRAME_BYTES_MAX:
            raise TooLarge(f"a record of {size} bytes for {topic.name} is over {topic.record_bytes_max}")
