"""What cannot be stored becomes a dead letter; and how much of that is too much."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from pipeline.errors import FatalError
from pipeline.events.dead_letters import DeadLetter, Origin, headers_text, text_of
from pipeline.events.envelope import Record
from pipeline.events.identity import DEFAULT_WORKSPACE, parse_thread_key
from pipeline.sinks.batch import Poison

VALUE_BYTES_MAX: Final = 40 * 1024 * 1024
"""A longer value is cut: in base64 it would not fit into a record, and a dead letter must never be poison itself."""
_JUDGED_RECORDS: Final = 10_000


class _OfWorkspace(msgspec.Struct):
    workspace: str = DEFAULT_WORKSPACE


class DeadLetterLimit:
    """Stops the sink when too large a share of recent records is poison: then it is not the records that are wrong.

    Judged are about the last 10,000 records: when that many were seen, both counts are halved.
    """

    def __init__(self, *, share_max: float, rows_min: int) -> None:
        self._share_max: Final = share_max
        self._rows_min: Final = rows_min
        self._records = 0
        self._dead = 0

    def check(self, records: int, dead: int, reason: str) -> None:
        """Judge as if `records` more, `dead` of them poison, were counted; raises FatalError beyond the limit."""
        records, dead = self._records + records, self._dead + dead
        if dead >= self._rows_min and dead > self._share_max * records:
            raise FatalError(
                f"{dead} of the last {records} records cannot be stored; more than {self._share_max:.0%} is not poison "
                f"but a fault elsewhere. Nothing was set aside or committed. The latest: {reason}"
            )

    def count(self, records: int, dead: int) -> None:
        """Count records that were stored or set aside."""
        self._records += records
        self._dead += dead
        if self._records > _JUDGED_RECORDS:
            self._records //= 2
            self._dead //= 2


def letters_of(topic: str, log_id: UUID, poison: Sequence[Poison]) -> list[Record]:
    """Return the dead letters for records of `topic`.

    Their time is that of the record, so that setting the same record aside again after a crash gives the same letter.
    """
    return [_letter_of(topic, log_id, record).record(record.key) for record in poison]


def _letter_of(topic: str, log_id: UUID, record: Poison) -> DeadLetter:
    value, reason = record.value, record.reason
    if value is not None and len(value) > VALUE_BYTES_MAX:
        reason = f"{reason} (kept are the first {VALUE_BYTES_MAX} of {len(value)} bytes)"
        value = value[:VALUE_BYTES_MAX]
    origin = record.origin or Origin(log_id, record.partition, record.offset, record.appended_at_ms)
    appended_at_us = origin.appended_at_ms * 1000
    return DeadLetter(
        workspace=_workspace_of(record),
        version_us=appended_at_us,
        received_at_us=appended_at_us,
        stage="sinks",
        reason=reason,
        code=record.code,
        topic=topic,
        origin_log_id=origin.log_id,
        origin_partition=origin.partition,
        origin_offset=origin.offset,
        key=text_of(record.key),
        value=text_of(value),
        headers=headers_text(record.headers),
    )


def _workspace_of(record: Poison) -> str:
    """Return whose record it was, as far as it still says so."""
    try:
        return msgspec.json.decode(record.value or b"{}", type=_OfWorkspace).workspace
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return parse_thread_key(record.key or b"").workspace
    except ValueError:
        return DEFAULT_WORKSPACE
