"""A Kafka producer that ends whoever wrote under the same name before, and is told when it is ended itself.

Kafka counts, for each transactional id, how often it was taken. What comes with an older count is refused by the
broker, however long its writer was paused and whatever it believes.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    ProducerFenced,
    UnknownError,
)

from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.packing import pack
from pipeline.adapters.telemetry import logs
from pipeline.errors import BrokerUnavailable, Fenced
from pipeline.events.envelope import Record
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_BATCH_BYTES_MAX: Final = 1024 * 1024
_REQUESTS_MAX: Final = 3
"""The steps of a transaction take at most so many request timeouts; the client alone would try for ever."""
_TAKEN_OVER: Final = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping, InvalidTxnState, UnknownError)
"""Kafka 4.4 was seen to answer with the last of these in the moment in which another took over. Should it mean
something else, the partition is given up without need, and the worker ends because nobody takes it (`worker`)."""

_log = logs.logger(__name__)


class FencedProducer:
    """The writer of one transactional id. After any error it is of no use any more."""

    def __init__(self, settings: KafkaSettings, *, client_id: str, transactional_id: str) -> None:
        self._seconds_max: Final = _REQUESTS_MAX * settings.request_timeout_ms / 1000
        self._transactional_id: Final = transactional_id
        self._producer: Final = AIOKafkaProducer(
            **connection_of(settings),
            client_id=client_id,
            transactional_id=transactional_id,
            # Longer than `publish` may take, so that it is never the broker's patience that ends a rightful writer.
            transaction_timeout_ms=(_REQUESTS_MAX + 1) * settings.request_timeout_ms,
            acks="all",
            max_batch_size=_BATCH_BYTES_MAX,
            max_request_size=2 * _BATCH_BYTES_MAX,
            request_timeout_ms=settings.request_timeout_ms,
        )

    async def start(self) -> None:
        """Take the id: from now on earlier takers are refused, and what they left unfinished is void.

        Raises BrokerUnavailable.
        """
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._producer.start()
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnavailable(f"{self._transactional_id} could not be taken: {error!r}") from error

    async def stop(self) -> None:
        """Disconnect; what is unfinished stays so, until the id is taken anew."""
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._producer.stop()
        except (KafkaError, TimeoutError) as error:
            _log.warning("connection not closed in order", transactional_id=self._transactional_id, reason=repr(error))

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        """Publish `records`, which name their partitions, all or none; return when the broker has them.

        Raises Fenced where the id was taken by another, and BrokerUnavailable where the broker does not confirm: then
        all of them may be there, or none.
        """
        if not records:
            return
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._producer.begin_transaction()
                await self._send(topic, records)
                await self._producer.commit_transaction()
        except (KafkaError, TimeoutError) as error:
            if _is_taken_over(error):
                raise Fenced(f"{self._transactional_id} was taken by another process") from error
            raise BrokerUnavailable(f"{topic.name} was not confirmed: {error!r}") from error

    async def _send(self, topic: Topic, records: Sequence[Record]) -> None:
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            if record.partition is None:
                raise AssertionError("only records that name their partition are written here")
            by_partition.setdefault(record.partition, []).append(record)
        acks = [
            await self._producer.send_batch(batch, topic.name, partition=partition)
            for partition, share in by_partition.items()
            for batch in pack(self._producer, share, last_record_alone=False)
        ]
        await asyncio.gather(*acks)


def _is_taken_over(error: BaseException | None) -> bool:
    """Tell whether an error, or what it came from, says that the id is another's; the client wraps some of them."""
    while error is not None:
        if isinstance(error, _TAKEN_OVER):
            return True
        error = error.__cause__
    return False
