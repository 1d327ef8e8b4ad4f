"""Events of traces and spans as the worst day has them: shuffled, repeated, moved, large, and poison in between."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import uuid_utils.compat as uuids

from pipeline.events.envelope import Record, headers_of
from pipeline.events.identity import project_id
from pipeline.events.spans import SpanEvent
from pipeline.events.traces import TraceEvent
from pipeline.topics import SPANS, TRACES, Topic
from tests.support.installation import PARTITIONS

NOW_US: Final = 1_763_874_000_000_000
LARGE_BYTES: Final = 20 * 1024 * 1024
POISON: Final = (
    b"null",
    b'{"workspace":"w"',
    b'{"workspace":"w","unknown":1}',
    b'{"workspace":"w","id":"not an id"}',
    b'{"workspace":"w"} {"workspace":"w"}',
    b'{"workspace":"w","name":"\xff}',
)


class Traffic:
    """What is sent follows from the seed; `poison` counts what must end as dead letters."""

    def __init__(self, seed: int) -> None:
        self._chance: Final = random.Random(seed)
        self.poison: Final[Counter[bytes | None]] = Counter()

    def slice(self, traces: int, *, large: int = 0) -> list[tuple[Topic, list[Record]]]:
        """Return records of some traces with their spans, some of them twice, and `large` events of 20 MB."""
        events = list(self._traces(traces)) + [self._large() for _ in range(large)]
        events += self._chance.sample(events[:traces], traces // 10)
        self._chance.shuffle(events)
        spans = list(self._spans([event for event in events if event.event == "create"]))
        self._chance.shuffle(spans)
        return [(TRACES, [event.record() for event in events]), (SPANS, [event.record() for event in spans])]

    def poisoned(self, arrangement: str) -> list[Record]:
        """Return records of one partition with poison `alone`, `first`, `last` or as `every second` one."""
        good = [event.record() for event in self._traces(6)]
        bad = [Record(b"key", value, headers_of("trace")) for value in POISON]
        self.poison.update(record.value for record in bad)
        everything = {
            "alone": bad,
            "first": [*bad, *good],
            "last": [*good, *bad],
            "every second": [one for pair in zip(good, bad, strict=False) for one in pair] + good[len(bad) :],
        }[arrangement]
        partition = self._chance.randrange(PARTITIONS)
        return [Record(one.key, one.value, one.headers, partition) for one in everything]

    def _traces(self, count: int) -> Iterator[TraceEvent]:
        for _ in range(count):
            trace_id, number = uuids.uuid7(), self._chance.randrange(100_000)
            shared: dict[str, Any] = {"workspace": "w", "id": trace_id, "received_at_us": NOW_US}
            yield TraceEvent(
                **shared, version_us=NOW_US, event="create", thread_id=f"t{number % 200}", name=f"turn {number}",
                project_id=project_id("w", "chat"), project_name="chat", start_time_us=NOW_US + number,
                input=f'{{"text":"{"hello " * (number % 90)}"}}', tags_added=("new",),
            )  # fmt: skip
            yield TraceEvent(
                **shared, version_us=NOW_US + 1 + number % 3, event="patch", output='"done"',
                end_time_us=NOW_US + number + 7, tags_removed=("new",),
                thread_id="moved" if number % 11 == 0 else None,
            )  # fmt: skip
            if number % 40 == 0:
                yield TraceEvent(**shared, version_us=NOW_US + 9, event="delete")

    def _large(self) -> TraceEvent:
        text = self._chance.randbytes(LARGE_BYTES // 2).hex()
        return TraceEvent(
            workspace="w", id=uuids.uuid7(), received_at_us=NOW_US, version_us=NOW_US, event="create",
            thread_id="large", input=f'"{text}"',
        )  # fmt: skip

    def _spans(self, traces: Sequence[TraceEvent]) -> Iterator[SpanEvent]:
        for trace in traces:
            shared: dict[str, Any] = {"workspace": "w", "id": uuids.uuid7(), "trace_id": trace.id, "received_at_us": 1}
            yield SpanEvent(**shared, version_us=NOW_US, event="create", name="call", usage={"tokens": 3}, type="llm")
            yield SpanEvent(**shared, version_us=NOW_US + 1, event="patch", output='"x"', model="m")
