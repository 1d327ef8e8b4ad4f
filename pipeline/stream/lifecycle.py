"""The rules of a thread's life: what each record of the log does. No Faust, no I/O, no clock.

Log time is the running maximum of the append stamps of a partition's records. Each record first moves it; then every
deadline that it has reached fires, in order, closing its session at the deadline; then the record itself applies, at
log time and never at a time of its own. So the sessions, and everything emitted about them, follow from the log alone.

A replay begins at the committed offset. The state of any thread may already be ahead of it, since outputs and state
become durable before offsets do. Each state therefore names the last record applied to its thread, and what stands at
or below that is passed over, commands included: their answers were durable before the state was. Whatever is evaluated
a second time meets the same state, settings and log time as the first time, and emits the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Final, Protocol

import msgspec

from pipeline.events.controls import SETTING_DECODER, Setting
from pipeline.events.envelope import HEADER_KIND
from pipeline.stream import decisions, sessions
from pipeline.stream.partition import Partition
from pipeline.stream.sessions import be_active
from pipeline.stream.timeouts import is_valid

SLICE_RECORDS_MAX: Final = 500
SLICE_DEADLINES_MAX: Final = 250

_THREAD_MARK: Final = b"thread\t"
_TRACE: Final = (HEADER_KIND, b"trace")
_COMMANDS: Final = {kind.encode(): kind for kind in decisions.RULES}


class LogRecord(Protocol):
    """What is looked at of a record; `timestamp` is the broker's stamp of appending it, in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Pause(Enum):
    """Why `apply` lets others have a turn; the partition is consistent at each of these points."""

    BREATHE = "others want to run"
    ANSWERED = "somebody waits for an answer that is now among the outputs"


def apply(partition: Partition, records: Iterable[LogRecord]) -> Iterator[Pause]:
    """Apply `records` in order; the caller may do something else, or stop for good, at each pause."""
    unpaused = traces = 0
    for record in records:
        offset = record.offset
        if offset < partition.next_offset:
            continue
        stamp_us = record.timestamp * 1000
        if stamp_us > partition.log_time_us:  # noqa: PLR1730 - `max` takes three times as long
            partition.log_time_us = stamp_us
        # Also where time has not moved: a commit between two slices leaves deadlines due at its own log time.
        while partition.deadlines.next_us <= partition.log_time_us:
            _fire(partition)
            yield Pause.BREATHE
        headers = record.headers
        if (headers and headers[0] == _TRACE) or (kind := kind_of(headers)) == b"trace":
            key = record.key
            if key is not None and key.startswith(_THREAD_MARK):
                be_active(partition, key, offset)
            traces += 1
            partition.next_offset = offset + 1
        else:
            yield from _apply_control(partition, kind, record)
        unpaused += 1
        if unpaused == SLICE_RECORDS_MAX:
            partition.tally.traces += traces
            unpaused = traces = 0
            yield Pause.BREATHE
    partition.tally.traces += traces


def kind_of(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the kind of a record, empty if it names none; our own producers write it first."""
    if headers and headers[0][0] == HEADER_KIND:
        return headers[0][1]
    return next((value for name, value in headers if name == HEADER_KIND), b"")


def _fire(partition: Partition) -> None:
    """Close a slice of the threads whose deadline is reached."""
    for deadline_us, key in partition.deadlines.take(partition.log_time_us, SLICE_DEADLINES_MAX):
        state = partition.state_of(key)
        if state is not None:
            sessions.end(partition, key, state, "inactive", at_us=deadline_us, applied_offset=state.applied_offset)


def _apply_control(partition: Partition, kind: bytes, record: LogRecord) -> Iterator[Pause]:
    command = _COMMANDS.get(kind)
    if command is not None:
        partition.tally.records[command] += 1
        decisions.decide(
            partition,
            command,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
    elif kind == b"tick":
        partition.tally.records["tick"] += 1
    elif kind == b"setting":
        partition.tally.records["setting"] += 1
        yield from _apply_setting(partition, record)
    else:
        partition.tally.undecodable["unknown"] += 1
    partition.next_offset = record.offset + 1
    if command is not None:
        yield Pause.ANSWERED


def _apply_setting(partition: Partition, record: LogRecord) -> Iterator[Pause]:
    """Put a setting in effect; whoever is overdue by it closes now, at the log time of the setting."""
    setting = _setting_of(record.value)
    if setting is None:
        partition.tally.undecodable["setting"] += 1
        return
    partition.touch(partition.timeouts.apply(record.offset, setting))
    now_us = partition.log_time_us
    for count, key in enumerate(list(partition.threads), start=1):
        deadline_us = partition.deadline_of(key)
        if deadline_us is not None and deadline_us <= now_us:
            state = partition.state_of(key)
            if state is not None:
                sessions.end(partition, key, state, "inactive", at_us=now_us, applied_offset=state.applied_offset)
        if count % SLICE_DEADLINES_MAX == 0:
            yield Pause.BREATHE
    for _ in partition.schedule():
        yield Pause.BREATHE


def _setting_of(value: bytes | None) -> Setting | None:
    try:
        setting = SETTING_DECODER.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return setting if is_valid(setting) else None
