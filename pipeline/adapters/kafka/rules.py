"""The rules of online evaluation as their compacted topic has them, in memory and kept up to date.

Every process that needs them reads the one partition from its start; there are few. A change is here within the time of
one fetch after Kafka has it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.adapters.telemetry import logs, metrics
from pipeline.errors import BrokerUnavailable
from pipeline.events.rules import RULE_DECODER, Rule, rule_key
from pipeline.settings import KafkaSettings
from pipeline.topics import RULES

_RETRY_SECONDS: Final = 0.5
_POLL_MS: Final = 250

_log = logs.logger(__name__)


class RuleLog:
    """The latest state of every rule."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings: Final = settings
        self._place: Final = TopicPartition(RULES.name, 0)
        self._by_key: Final[dict[bytes, Rule]] = {}
        self._by_project: Final[dict[tuple[str, UUID], dict[UUID, Rule]]] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read all there is, then follow; raises BrokerUnavailable where Kafka does not answer."""
        consumer = AIOKafkaConsumer(
            **connection_of(self._settings),
            client_id="threadline-rules",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_POLL_MS,
            request_timeout_ms=self._settings.request_timeout_ms,
        )
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000):
                await consumer.start()
                consumer.assign([self._place])
                end = (await consumer.end_offsets([self._place]))[self._place]
                while await consumer.position(self._place) < end:
                    await self._poll(consumer)
        except (KafkaError, TimeoutError) as error:
            await close_consumer(consumer)
            raise BrokerUnavailable(f"{RULES.name} could not be read: {error!r}") from error
        self._consumer = consumer
        self._reading = asyncio.create_task(self._follow(consumer))
        self._reading.add_done_callback(_look)

    async def stop(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            self._reading = None
        if self._consumer is not None:
            await close_consumer(self._consumer)
            self._consumer = None

    def of_project(self, workspace: str, project_id: UUID) -> Sequence[Rule]:
        """Return the rules of a project, disabled ones too, in the order of their ids."""
        return list(self._by_project.get((workspace, project_id), {}).values())

    def of_workspace(self, workspace: str) -> Sequence[Rule]:
        """Return all rules of a workspace."""
        return [rule for rule in self._by_key.values() if rule.workspace == workspace]

    def find(self, workspace: str, rule_id: UUID) -> Rule | None:
        """Return one rule, None where there is none of that id."""
        return self._by_key.get(rule_key(workspace, rule_id))

    def put(self, key: bytes, rule: Rule | None) -> None:
        """Take a state of a rule, None where it is deleted: as its topic says, or as it was just written there."""
        before = self._by_key.pop(key, None)
        if before is not None:
            of_project = self._by_project[before.workspace, before.project_id]
            del of_project[before.id]
            if not of_project:
                del self._by_project[before.workspace, before.project_id]
        if rule is not None:
            self._by_key[key] = rule
            self._by_project.setdefault((rule.workspace, rule.project_id), {})[rule.id] = rule

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                await self._poll(consumer)
            except KafkaError as error:
                _log.warning("rules cannot be read, trying again", reason=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
            for record in records:
                self._take(record)

    def _take(self, record: LogRecord) -> None:
        key = record.key or b""
        if not record.value:
            self.put(key, None)
            return
        try:
            rule = RULE_DECODER.decode(record.value)
        except msgspec.DecodeError as error:
            metrics.KAFKA_RULES_UNDECODABLE.inc()
            _log.error("a rule is not what its schema says", offset=record.offset, reason=str(error))
            return
        known = self._by_key.get(key)
        if known is None or known.version_us <= rule.version_us:
            self.put(key, rule)


def _look(reading: asyncio.Task[None]) -> None:
    """Say that no change of a rule will be seen any more."""
    if not reading.cancelled() and (error := reading.exception()):
        _log.critical("rules are not read any more", exc_info=error)
