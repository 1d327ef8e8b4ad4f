"""What had to be said, from the input log alone, beside what was said."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.settings import KafkaSettings
from pipeline.topics import SCORES, THREAD_REPLIES, THREADS, TRACES
from tests.integration.stream.worker_process import emitted, read_all
from tests.unit.stream.oracle import Emitted, Life, Logged, is_thread

READ_WHOLE: Final = 3
"""So many threads of each partition are told from the whole log, to check the short way."""


class Timed(NamedTuple):
    """A record, with log time in the place of its stamp."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass
class Verdict:
    """Counts of outputs; `examples` are of those that are wrong."""

    traces: int = 0
    commands: int = 0
    ticks: int = 0
    due: int = 0
    closed: int = 0
    said: int = 0
    repeated: int = 0
    missed: int = 0
    false: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        return self.missed == self.false == self.wrong == 0

    def table(self) -> Mapping[str, int]:
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}


async def judge(kafka: KafkaSettings) -> Verdict:
    """Read the log and everything that was said, and compare."""
    log_id = (await read_log_ids(kafka))[TRACES.name]
    verdict = Verdict()
    due: list[Emitted] = []
    for number, records in (await read_all(kafka, TRACES)).items():
        kinds = Counter(dict(record.headers)["kind"].decode() for record in records)
        verdict.traces += kinds.pop("trace", 0)
        verdict.ticks += kinds.pop("tick", 0)
        verdict.commands += kinds.total() - kinds.pop("setting", 0)
        due += expected_quickly(records, log_id=log_id, partition=number)
    said: list[Emitted] = []
    for topic in (THREADS, SCORES, THREAD_REPLIES):
        found = emitted(topic, await read_all(kafka, topic, isolation_level="read_committed"))
        # Evaluators write scores too; those of the stream say where they were decided.
        said += [(name, value) for name, value in found if topic is not SCORES or "decided_offset" in value]
    compare(verdict, due, said)
    return verdict


def compare(verdict: Verdict, due: Iterable[Emitted], said: Iterable[Emitted]) -> None:
    """Fill a verdict in."""
    due_by_id, said_by_id = _by_identity(due), _by_identity(said)
    verdict.due = sum(len(contents) for contents in due_by_id.values())
    verdict.closed = sum('"event": "closed"' in content for contents in due_by_id.values() for content in contents)
    verdict.said = sum(contents.total() for contents in said_by_id.values())
    verdict.repeated = sum(contents.total() - len(contents) for contents in said_by_id.values())
    for identity, contents in due_by_id.items():
        lacking = contents.keys() - said_by_id.get(identity, Counter()).keys()
        verdict.missed += len(lacking)
        verdict.examples += [f"missed: {content}" for content in lacking]
    for identity, contents in said_by_id.items():
        strange = contents.keys() - due_by_id.get(identity, Counter()).keys()
        if identity in due_by_id:
            verdict.wrong += len(strange)
            verdict.examples += [f"wrong: {content}, due: {list(due_by_id[identity])}" for content in strange]
        else:
            verdict.false += len(strange)
            verdict.examples += [f"false: {content}" for content in strange]


def expected_quickly(log: Sequence[Logged], *, log_id: UUID, partition: int) -> Iterator[Emitted]:
    """Yield what the oracle expects, showing it for each thread only the records that concern it.

    Those of other threads do nothing but move log time, which each record that is shown carries; the last record of
    all stands at the end. A few threads are told from the whole log too, and both must say the same.
    """
    if not log:
        return
    told = list(_with_log_time(log))
    shown: defaultdict[bytes, list[Timed]] = defaultdict(list)
    settings = [record for record in told if dict(record.headers).get("kind") == b"setting"]
    for record in told:
        if record.key is not None and is_thread(record.key):
            shown[record.key].append(record)
    last = told[-1]._replace(key=None, value=b"", headers=(("kind", b"tick"),))
    checked = set(random.Random(partition).sample(sorted(shown), min(READ_WHOLE, len(shown))))
    for key, own in shown.items():
        found = list(Life(key, log_id, partition).read([*sorted([*own, *settings]), last]))
        if key in checked:
            assert found == list(Life(key, log_id, partition).read(log)), "the short way is not exact"
        yield from found


def _with_log_time(log: Sequence[Logged]) -> Iterator[Timed]:
    now_ms = 0
    for record in log:
        now_ms = max(now_ms, record.timestamp)
        yield Timed(record.offset, now_ms, record.key, record.value, record.headers)


def _by_identity(events: Iterable[Emitted]) -> dict[tuple[Any, ...], Counter[str]]:
    found: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for topic, value in events:
        found[_identity(topic, value)][json.dumps(value, sort_keys=True)] += 1
    return found


def _identity(topic: str, value: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what names an output; of refusals there may be many in one session."""
    if topic == "thread-replies":
        return topic, value["request_id"]
    if topic == "scores":
        return topic, value["entity_id"], value["decided_offset"]
    refused_at = value["version_us"] if value["event"] == "refused" else None
    return topic, value["session_id"], value["event"], refused_at
