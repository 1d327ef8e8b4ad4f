"""How far logs reach and how far a group has come, asked again and again over connections that are kept."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError, KafkaError

from pipeline.adapters.kafka.admin import partitions_of, read_log_ids
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.adapters.kafka.offsets import Bounds
from pipeline.errors import BrokerUnavailable
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

Offsets = dict[LogPartition, int]


class Watermarks:
    """Ends of `topics`, and what `group` has committed of them. Methods raise BrokerUnavailable."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[Topic], group: str) -> None:
        self._settings: Final = settings
        self._topics: Final = topics
        self._group: Final = group
        self._places: Final = [
            TopicPartition(topic.name, number) for topic in topics for number in range(partitions_of(topic, settings))
        ]
        self._seconds_max: Final = settings.request_timeout_ms / 1000
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._log_ids: dict[str, UUID] = {}

    async def __aenter__(self) -> Self:
        """Return itself, not yet connected: it connects on first use, and again after a failure."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._disconnect()

    async def ends(self) -> Offsets:
        """Return the offset after the last record of every partition, 0 where it holds none (any more)."""
        try:
            async with asyncio.timeout(self._seconds_max):
                consumer, _ = await self._connected()
                begins = await consumer.beginning_offsets(self._places)
                ends = await consumer.end_offsets(self._places)
        except (KafkaError, TimeoutError) as error:
            raise await self._failed(error) from error
        return {LogPartition(*place): int(end) if end > begins[place] else 0 for place, end in ends.items()}

    async def bounds(self) -> dict[LogPartition, Bounds]:
        """Return where every partition begins and ends, and where the group is to go on.

        Nothing where it has not committed anything of these logs: there may be no such group.
        """
        try:
            async with asyncio.timeout(self._seconds_max):
                consumer, _ = await self._connected()
                committed = await self.committed()
                begins = await consumer.beginning_offsets(self._places)
                ends = await consumer.end_offsets(self._places)
        except (KafkaError, TimeoutError) as error:
            raise await self._failed(error) from error
        if not any(committed.values()):
            return {}
        places = {place: TopicPartition(*place) for place in committed}
        return {place: Bounds(begins[at], ends[at], max(begins[at], committed[place])) for place, at in places.items()}

    async def committed(self) -> Offsets:
        """Return the group's next offset of every partition, 0 where it has none of this log yet."""
        try:
            async with asyncio.timeout(self._seconds_max):
                _, admin = await self._connected()
                found = await admin.list_consumer_group_offsets(self._group, partitions=self._places)
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            return {LogPartition(*place): 0 for place in self._places}  # a group that nobody has joined yet
        except (KafkaError, TimeoutError) as error:
            raise await self._failed(error) from error
        return {
            LogPartition(*place): max(0, entry.offset) if entry.metadata in {"", None, self._log_id(place)} else 0
            for place, entry in found.items()
        }

    def _log_id(self, place: TopicPartition) -> str:
        return str(self._log_ids[place.topic])

    async def _connected(self) -> tuple[AIOKafkaConsumer, AIOKafkaAdminClient]:
        if self._consumer is None or self._admin is None:
            self._log_ids = await read_log_ids(self._settings)
            self._consumer = AIOKafkaConsumer(
                **connection_of(self._settings),
                client_id="threadline-watermarks",
                enable_auto_commit=False,
                request_timeout_ms=self._settings.request_timeout_ms,
            )
            self._admin = AIOKafkaAdminClient(
                **connection_of(self._settings),
                client_id="threadline-watermarks",
                request_timeout_ms=self._settings.request_timeout_ms,
            )
            await self._consumer.start()
            await self._admin.start()
        return self._consumer, self._admin

    async def _failed(self, error: Exception) -> BrokerUnavailable:
        await self._disconnect()
        return BrokerUnavailable(f"no watermarks from {self._settings.bootstrap}: {error!r}")

    async def _disconnect(self) -> None:
        consumer, admin = self._consumer, self._admin
        self._consumer = self._admin = None
        if admin is not None:
            await admin.close()
        if consumer is not None:
            await close_consumer(consumer)
