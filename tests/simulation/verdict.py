"""What a schedule came to: what was said, and what a worker would find, beside what follows from the log alone."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from pipeline.stream import lifecycle
from pipeline.stream.owned import Owned
from pipeline.stream.partition import Partition
from pipeline.stream.table import CHANGELOG
from pipeline.topics import SCORES, THREAD_REPLIES, THREADS, TRACES
from tests.fault.verdict import Verdict, compare
from tests.simulation.broker import Broker
from tests.unit.stream.logs import LOG_ID
from tests.unit.stream.oracle import Emitted, Life, is_thread

EVERYTHING: Final = 1 << 30
OUTPUTS: Final = (THREADS, SCORES, THREAD_REPLIES)


class Expectation:
    """What follows from the logs, as far as they have come; it looks at nothing else."""

    def __init__(self, broker: Broker) -> None:
        self._broker: Final = broker
        self._lives: Final[list[dict[bytes, Life]]] = [{} for _ in range(broker.partitions)]
        self._read: Final = [0] * broker.partitions
        self.due: Final[list[Emitted]] = []

    def lives(self, number: int) -> list[Life]:
        """Return the threads of a partition, each as its whole log has it."""
        log, lives = self._broker.log_of_threads(number), self._lives[number]
        fresh = log[self._read[number] :]
        for life in lives.values():
            self.due.extend(life.read(fresh))
        for record in fresh:
            key = record.key
            if key is not None and key not in lives and is_thread(key):
                lives[key] = Life(key, LOG_ID, number)
                self.due.extend(lives[key].read(log))
        self._read[number] = len(log)
        return list(lives.values())

    def judge(self) -> tuple[Verdict, list[str]]:
        """Compare all that was said with what was due; return also what one owner said more often than it was due."""
        for number in range(self._broker.partitions):
            self.lives(number)
        said: list[Emitted] = []
        by_writer: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for writer, is_copy, event in _said(self._broker):
            said.append(event)
            if not is_copy:
                by_writer[writer][json.dumps(event, sort_keys=True)] += 1
        verdict = Verdict()
        compare(verdict, self.due, said)
        times_due = Counter(json.dumps(event, sort_keys=True) for event in self.due)
        again = [
            f"said again by its owner {writer}: {content}"
            for writer, contents in by_writer.items()
            for content, times in contents.items()
            if times > max(1, times_due[content])
        ]
        return verdict, again

    def audit(self) -> Iterator[str]:
        """Recover each partition as a worker would that begins now, let it read to the end, and compare its state."""
        for number in range(self._broker.partitions):
            lives = self.lives(number)
            log = self._broker.log_of_threads(number)
            partition = _recovered(self._broker, number)
            for _ in lifecycle.apply(partition, log[partition.next_offset :]):
                pass
            for life in lives:
                yield from _differences(partition, life)
            open_threads = sum(life.is_open for life in lives)
            if partition.open_threads != open_threads:
                yield f"partition {number} counts {partition.open_threads} open threads of {open_threads}"
            log_time_us = max((record.timestamp for record in log), default=0) * 1000
            if partition.log_time_us != log_time_us:
                yield f"partition {number} is at {partition.log_time_us} where the log is at {log_time_us}"

    def unfinished(self) -> Iterator[str]:
        """Tell what is still to do where workers have had all the time they need."""
        for number in range(self._broker.partitions):
            end = self._broker.log(TRACES.name, number).end
            committed, _ = self._broker.committed.get(number, (0, ""))
            if committed < end:
                yield f"partition {number} is committed up to {committed} of {end}"
            for life in self.lives(number):
                if life.is_open:
                    yield f"{life.thread.thread_id} in partition {number} is open though nobody is active"


def _said(broker: Broker) -> Iterator[tuple[str, bool, Emitted]]:
    """Yield who said it, whether it is a copy that the network made, and what was said."""
    for topic in OUTPUTS:
        for (name, number), log in broker.logs.items():
            for entry in log.entries if name == topic.name else ():
                if entry.record is not None:
                    value = json.loads(entry.record.value or b"")
                    yield (
                        entry.writer,
                        entry.is_copy,
                        (name, {"partition": number, **value} if topic is THREAD_REPLIES else value),
                    )


def _recovered(broker: Broker, number: int) -> Partition:
    owned = Owned(LOG_ID)
    owned.assign([number])
    records, _ = broker.log(CHANGELOG.name, number).read(0, EVERYTHING)
    owned.restore(number, records)
    for _ in owned.begin({number: broker.committed[number]} if number in broker.committed else {}):
        pass
    partition = owned.live(number)
    assert partition is not None
    return partition


def _differences(partition: Partition, life: Life) -> Iterator[str]:
    state = partition.state_of(life.key)
    is_open = partition.deadline_of(life.key) is not None
    if is_open != life.is_open:
        yield f"{life.thread.thread_id} in partition {partition.number} is {'open' if is_open else 'not open'}"
    elif is_open and state is not None and life.session is not None:
        found = (state.first_offset, state.last_offset, state.opened_at_us, state.last_activity_at_us, state.activities)
        session = life.session
        due = (
            session.first_offset,
            session.last_offset,
            session.opened_at_us,
            session.last_activity_at_us,
            session.activities,
        )
        if found != due:
            yield f"{life.thread.thread_id} in partition {partition.number} is {found}, due {due}"
