"""Logs for tests: records of one partition as a consumer returns them, and what a partition makes of them."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from pipeline.events.controls import Command, CommandKind, ReplyTo, ScoreRegime, Setting
from pipeline.events.envelope import Headers, headers_of
from pipeline.events.identity import ThreadRef, project_id, thread_key, thread_model_id
from pipeline.events.scores import ScoreEvent
from pipeline.stream.outputs import Outbox
from pipeline.stream.partition import Output, Partition
from pipeline.topics import THREAD_REPLIES
from tests.unit.stream.oracle import Emitted

LOG_ID = UUID("01890000-0000-7000-8000-000000000001")
NUMBER = 3
REPLY_PARTITIONS = 16
START_MS = 1_700_000_000_000


class LogRecord(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Log:
    """Records appended one after the other."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.now_ms = START_MS

    def after(self, milliseconds: int) -> "Log":
        """Let time pass; less than nothing is a stamp that lies before the last one."""
        self.now_ms += milliseconds
        return self

    def append(self, key: bytes | None, value: bytes | None, headers: Headers) -> "Log":
        self.records.append(LogRecord(len(self.records), self.now_ms, key, value, headers))
        return self

    def trace(self, key: bytes | None) -> "Log":
        return self.append(key, b"{}", headers_of("trace"))

    def tick(self) -> "Log":
        return self.append(None, b"", headers_of("tick"))

    def setting(
        self,
        workspace: str | None,
        timeout_ms: int | None,
        regime: ScoreRegime | None = None,
        *,
        requested_at_us: int = 0,
    ) -> "Log":
        setting = Setting(
            workspace=workspace, requested_at_us=requested_at_us, timeout_ms=timeout_ms, score_regime=regime
        )
        record = setting.record(NUMBER)
        return self.append(record.key, record.value, record.headers)

    def command(self, kind: CommandKind, thread: ThreadRef, *, replies_to: int | None = 5) -> "Log":
        reply_to = None if replies_to is None else ReplyTo(replies_to, f"request {len(self.records)}")
        score = score_of(thread) if kind in ("score", "unscore") else None
        record = Command(requested_at_us=7, score=score).record(kind, thread, reply_to)
        return self.append(record.key, record.value, record.headers)


def thread(name: str, workspace: str = "default") -> ThreadRef:
    return ThreadRef(workspace, project_id(workspace, "Default Project"), name)


def key(name: str, workspace: str = "default") -> bytes:
    return thread_key(thread(name, workspace))


def score_of(about: ThreadRef) -> ScoreEvent:
    return ScoreEvent(
        workspace=about.workspace,
        version_us=11,
        received_at_us=11,
        entity_type="thread",
        entity_id=thread_model_id(about.project_id, about.thread_id),
        event="set",
        name="helpful",
        author="Ada",
        value=Decimal("0.5"),
        source="ui",
    )


def new_partition() -> Partition:
    return Partition(NUMBER, LOG_ID)


def emitted(partition: Partition, outputs: Iterable[Output]) -> list[Emitted]:
    """Return outputs in the form in which the oracle states them."""
    outbox = Outbox(partition, reply_partitions=REPLY_PARTITIONS)
    outbox.add(outputs)
    found = []
    for topic, records in outbox.records.items():
        for record in records:
            value = json.loads(record.value or b"")
            is_reply = topic is THREAD_REPLIES
            found.append((topic.name, {"partition": record.partition, **value} if is_reply else value))
    return found


def comparable(events: Iterable[Emitted]) -> list[str]:
    """Return events as text that is equal if they are."""
    return sorted(json.dumps(event, sort_keys=True) for event in events)
