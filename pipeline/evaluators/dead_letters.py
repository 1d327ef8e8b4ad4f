"""A closed session that could not be evaluated, as it stood in the log, and why."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from pipeline.adapters.kafka.consumer import LogPartition, LogRecord
from pipeline.evaluators.scoring import Failure
from pipeline.events.dead_letters import DeadLetter, headers_text, text_of
from pipeline.events.envelope import Record
from pipeline.events.identity import DEFAULT_WORKSPACE, parse_thread_key

REASON_CHARACTERS_MAX: Final = 8000


def letter_of(place: LogPartition, log_id: UUID, record: LogRecord, reason: str) -> Record:
    """Return the dead letter for a record of `threads`; replaying it evaluates the session again.

    Its time is that of the record, so that setting the same record aside again gives the same letter.
    """
    appended_at_us = record.timestamp * 1000
    letter = DeadLetter(
        workspace=_workspace_of(record.key),
        version_us=appended_at_us,
        received_at_us=appended_at_us,
        stage="evaluators",
        reason=reason[:REASON_CHARACTERS_MAX],
        topic=place.topic,
        origin_log_id=log_id,
        origin_partition=place.partition,
        origin_offset=record.offset,
        key=text_of(record.key),
        value=text_of(record.value),
        headers=headers_text(tuple(record.headers)),
    )
    return letter.record(record.key)


def reason_of(failures: Sequence[Failure]) -> str:
    """Return why a session goes to the dead letters: each evaluator that could not judge it, and its reason."""
    return "; ".join(f"{failure.author}: {failure.reason}" for failure in failures)


def _workspace_of(key: bytes | None) -> str:
    try:
        return parse_thread_key(key or b"").workspace
    except ValueError:
        return DEFAULT_WORKSPACE
