"""A Kafka producer that ends whoever wrote under the same name before, and is told when it is ended itself.

Kafka counts, for each transactional id, how often it was taken. What comes with an older count is refused by the
broker, however long its writer was paused and whatever it believes.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTransactionTimeout,
    InvalidTxnState,
    KafkaError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    UnsupportedVersionError,
)

from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.packing import pack
from pipeline.adapters.kafka.producer import look_at_outcome
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import logs
from pipeline.errors import BrokerUnavailable, Fenced
from pipeline.events.envelope import Record
from pipeline.settings import KafkaSettings
from pipeline.stream import faust_internals
from pipeline.topics import Topic

_BATCH_BYTES_MAX: Final = 1024 * 1024
_REQUESTS_MAX: Final = 3
"""The steps of a transaction take at most so many request timeouts; the client alone would try for ever."""
_TAKEN_OVER: Final = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping, InvalidTxnState, UnknownError)
"""Kafka 4.4 was seen to answer with the last of these in the moment in which another took over. Should it mean
something else, the partition is given up without need, and the worker ends because nobody takes it (`worker`)."""
_IN_VAIN: Final = (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidTransactionTimeout,
    TransactionalIdAuthorizationFailed,
    UnsupportedVersionError,
)
"""Answers to the taking of an id that stay the same however often it is tried."""
_PAUSE_SECONDS_MAX: Final = 2.0

_log = logs.logger(__name__)


class FencedProducer:
    """The writer of one transactional id. After any error it is of no use any more."""

    def __init__(self, settings: KafkaSettings, *, client_id: str, transactional_id: str) -> None:
        self._settings: Final = settings
        self._client_id: Final = client_id
        self._seconds_max: Final = _REQUESTS_MAX * settings.request_timeout_ms / 1000
        self._transactional_id: Final = transactional_id
        self._producer = self._new_producer()

    async def start(self) -> None:
        """Take the id: from now on earlier takers are refused, and what they left unfinished is void.

        A broker that still loads the ids, ends the transaction of the earlier taker or serves another taker at this
        moment refuses, in some of these cases with an error that says nothing (Kafka 4.4: UNKNOWN_SERVER_ERROR). A
        client that was refused is of no use any more, so that each further try has one of its own. Raises
        BrokerUnavailable where the id is not given for three request timeouts, or never would be.
        """
        backoff = Backoff(seconds_max=_PAUSE_SECONDS_MAX)
        refusal: KafkaError | None = None
        try:
            async with asyncio.timeout(self._seconds_max):
                while (refusal := await self._refusal()) is not None:
                    if isinstance(refusal, _IN_VAIN):
                        break
                    _log.warning("tried again", transactional_id=self._transactional_id, reason=repr(refusal))
                    await asyncio.sleep(backoff.pause())
                    self._producer = self._new_producer()
        except TimeoutError as error:
            reason = f"not within {self._seconds_max:g} s; last refusal: {refusal!r}"
            raise BrokerUnavailable(f"{self._transactional_id} could not be taken: {reason}") from error
        if refusal is not None:
            raise BrokerUnavailable(f"{self._transactional_id} could not be taken: {refusal!r}") from refusal

    async def _refusal(self) -> KafkaError | None:
        """Try once to take the id; return why it was not given. A producer that did not get it is disconnected."""
        try:
            await self._producer.start()
        except BaseException as error:
            await self._producer.stop()
            if isinstance(error, KafkaError):
                return error
            raise
        return None

    async def stop(self) -> None:
        """Disconnect; what is unfinished stays so, until the id is taken anew."""
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._producer.stop()
        except (KafkaError, TimeoutError) as error:
            _log.warning("connection not closed in order", transactional_id=self._transactional_id, reason=repr(error))
        if (outcome := faust_internals.transaction_outcome(self._producer)) is not None:
            look_at_outcome(outcome)  # nobody waits for it where the writer was refused before the end

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

    def _new_producer(self) -> AIOKafkaProducer:
        request_timeout_ms = self._settings.request_timeout_ms
        return AIOKafkaProducer(
            **connection_of(self._settings),
            client_id=self._client_id,
            transactional_id=self._transactional_id,
            # Longer than `publish` may take, so that it is never the broker's patience that ends a rightful writer.
            transaction_timeout_ms=(_REQUESTS_MAX + 1) * request_timeout_ms,
            acks="all",
            max_batch_size=_BATCH_BYTES_MAX,
            max_request_size=2 * _BATCH_BYTES_MAX,
            request_timeout_ms=request_timeout_ms,
        )

    async def _send(self, topic: Topic, records: Sequence[Record]) -> None:
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            if record.partition is None:
                raise AssertionError("only records that name their partition are written here")
            by_partition.setdefault(record.partition, []).append(record)
        acks = []
        for partition, share in by_partition.items():
            for batch in pack(self._producer, share, last_record_alone=False):
                ack = await self._producer.send_batch(batch, topic.name, partition=partition)
                ack.add_done_callback(look_at_outcome)  # that of a later batch may fail first, and end this
                acks.append(ack)
        await asyncio.gather(*acks)


def _is_taken_over(error: BaseException | None) -> bool:
    """Tell whether an error, or what it came from, says that the id is another's; the client wraps some of them."""
    while error is not None:
        if isinstance(error, _TAKEN_OVER):
            return True
        error = error.__cause__
    return False
