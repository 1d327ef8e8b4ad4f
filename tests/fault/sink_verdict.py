"""What storage holds, field by field and row by row, beside what the logs say."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import xxhash

from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.events.dead_letters import bytes_of
from pipeline.events.spans import SpanEvent
from pipeline.events.traces import TRACE_DECODER
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import SPANS, TRACES, Topic
from tests.support.fold_oracle import Provenance, Row, Stored, fold_spans, fold_traces
from tests.support.installation import Installation

EXAMPLES_MAX: Final = 5
_DECODERS: Final[dict[Topic, msgspec.json.Decoder[Any]]] = {
    TRACES: TRACE_DECODER,
    SPANS: msgspec.json.Decoder(SpanEvent),
}
_EVENTS: Final = """
SELECT
    log_id, log_partition, log_offset, appended_at_ms, id, toString(event) AS event,
    xxHash64(ifNull(input, '')) AS input, xxHash64(ifNull(output, '')) AS output
FROM {table} FINAL"""
_LETTERS: Final = "SELECT value FROM dead_letters ORDER BY log_offset LIMIT 1 BY origin_partition, origin_offset"


class Log:
    """The events of a topic, of this log and of those that it had before it was made anew, and what is poison."""

    def __init__(self, topic: Topic) -> None:
        self.topic: Final = topic
        self.events: Final[list[Stored]] = []
        self.poison: Final[Counter[bytes | None]] = Counter()

    async def read(self, installation: Installation) -> None:
        """Add the log as it is now."""
        log_id = (await read_log_ids(installation.kafka))[self.topic.name]
        for record in await installation.log(self.topic):
            place = Provenance(log_id, record.partition, record.offset, record.timestamp)
            try:
                self.events.append(Stored(_DECODERS[self.topic].decode(record.value), place))
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.poison[record.value] += 1


async def faults_of(installation: Installation, traces: Log, spans: Log) -> list[str]:
    """Return what is wrong: nothing, if every field of every row follows from the logs and reconciliation finds no gap.

    Both logs are read to their end.
    """
    client, found = installation.client, list[str]()
    for log, table, folded in ((traces, "trace_events", fold_traces), (spans, "span_events", fold_spans)):
        rows = await client.rows(f"SELECT * FROM {log.topic.name} FINAL")  # noqa: S608 - our own names
        found += _differences(log.topic.name, folded(log.events), rows)
        events = await client.rows(_EVENTS.replace("{table}", table))
        found += _differences(table, [_event(one) for one in log.events], events)
    letters = await client.rows(_LETTERS)
    kept = Counter(bytes_of(row["value"]) for row in letters)
    if kept != traces.poison:
        found.append(f"dead letters: {kept - traces.poison} too many, {traces.poison - kept} missing")
    balances = await balance_all(installation.kafka, client)
    found += [f"gap: {balance.topic} {balance.terms()}" for balance in balances if balance.gap or balance.pending]
    return found


def _event(one: Stored) -> Row:
    texts = {name: xxhash.xxh64_intdigest((getattr(one.event, name) or "").encode()) for name in ("input", "output")}
    place = {
        "log_id": one.at.log_id, "log_partition": one.at.partition, "log_offset": one.at.offset,
        "appended_at_ms": one.at.appended_at_ms,
    }  # fmt: skip
    return {**place, "id": one.event.id, "event": one.event.event, **texts}


def _differences(name: str, expected: Sequence[Row], found: Sequence[Row]) -> list[str]:
    due, there = Counter(map(_key, expected)), Counter(map(_key, found))
    return [*_said(f"{name} lost or wrong", due - there), *_said(f"{name} doubled or wrong", there - due)]


def _said(what: str, rows: Counter[Any]) -> Iterable[str]:
    if rows:
        yield f"{what}: {rows.total()}, such as {[dict(row) for row in list(rows)[:EXAMPLES_MAX]]}"


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(sorted((name, _hashable(value)) for name, value in row.items()))


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return tuple(sorted(value.items())) if isinstance(value, dict) else value
