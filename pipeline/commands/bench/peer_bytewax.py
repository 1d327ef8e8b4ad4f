"""Bytewax's own session windows over the same topic, without recovery: no state is kept, and nothing is written.

Run by `peers` as `<python of its environment> peer_bytewax.py <bootstrap> <topic> <events>`; that environment has no
Threadline. Prints one line of JSON once so many events are in their sessions, and then goes on until it is killed.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op  # type: ignore[import-not-found]
import bytewax.operators.windowing as windows  # type: ignore[import-not-found]
import orjson
from bytewax.connectors.kafka import KafkaSource  # type: ignore[import-not-found]
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.testing import TestingSink, cluster_main  # type: ignore[import-not-found]

GAP = timedelta(minutes=15)
FETCH_RECORDS = 2000


class Progress:
    """Counts events from the first that is read to the last that is in its session, or came too late for it."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._applied = 0
        self._began_at = self._began_cpu = 0.0

    def read(self, record: Any) -> tuple[str, datetime]:
        """Take a record in: its key and its append time are what a session needs; the value is parsed like others'."""
        if not self._began_at:
            self._began_at, self._began_cpu = time.monotonic(), time.process_time()
        orjson.loads(record.value)
        return record.key.decode(), datetime.fromtimestamp(record.timestamp[1] / 1000, UTC)

    def applied(self) -> None:
        """Count one event; print what all of them took with the last."""
        self._applied += 1
        if self._applied == self._events:
            seconds, cpu_seconds = time.monotonic() - self._began_at, time.process_time() - self._began_cpu
            found = {"events": self._applied, "seconds": seconds, "cpu_seconds": cpu_seconds}
            print(json.dumps(found), flush=True)  # noqa: T201


def build(bootstrap: str, topic: str, events: int) -> Any:
    """Return the dataflow; a session's state is the number of its events."""
    progress = Progress(events)

    def count(turns: int, _: datetime) -> int:
        progress.applied()
        return turns + 1

    def count_late(late: Any) -> Any:
        progress.applied()
        return late

    flow = Dataflow("sessions")
    records = op.input("records", flow, KafkaSource([bootstrap], [topic], batch_size=FETCH_RECORDS))
    turns = op.map("turns", records, progress.read)
    clock = windows.EventClock(lambda appended_at: appended_at, wait_for_system_duration=timedelta(0))
    windower = windows.SessionWindower(gap=GAP)
    # The records of a thread are in order as they come, so nothing is gained by sorting them.
    sessions = windows.fold_window("sessions", turns, clock, windower, lambda: 0, count, int.__add__, ordered=False)
    op.output("closed", sessions.down, TestingSink([]))
    op.output("late", op.map("count_late", sessions.late, count_late), TestingSink([]))
    return flow


def main(bootstrap: str, topic: str, events: str) -> None:
    """Run in one process with one worker thread."""
    cluster_main(build(bootstrap, topic, int(events)), addresses=[], proc_id=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
