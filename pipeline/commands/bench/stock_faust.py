"""Faust as its guide teaches it: an agent over a topic of JSON, and a table that is updated for each event.

Run as `python -m pipeline.commands.bench.stock_faust <bootstrap> <partitions> <events> <folder>`; prints one line of
JSON once so many events are applied, and then goes on until it is killed, as a worker does.
https://faust-streaming.github.io/faust/userguide/tables.html
"""

import sys
from typing import Any

import faust
import msgspec

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.measure import Throughput, own_cpu_seconds
from pipeline.topics import TRACES


def build(bootstrap: str, partitions: int, events: int, folder: str) -> faust.App:
    """Return the app; it counts the turns of each thread."""
    app = faust.App(
        "bench-stock-faust",
        broker=f"aiokafka://{bootstrap}",
        store="memory://",
        datadir=folder,
        consumer_auto_offset_reset="earliest",
        # Not the defaults, so that it begins soon: the embedded broker holds a join for half the session.
        broker_session_timeout=3,
        broker_heartbeat_interval=0.5,
        topic_partitions=partitions,
        topic_disable_leader=True,
        worker_redirect_stdouts=False,  # what it prints is read by the bench
        web_enabled=False,
    )
    topic = app.topic(TRACES.name, key_type=bytes, value_serializer="json")
    turns = app.Table("turns", default=int, key_type=bytes, partitions=partitions)
    clock = SystemClock()

    @app.agent(topic)  # type: ignore[untyped-decorator]
    async def count(stream: Any) -> None:
        applied, began_at, began_cpu = 0, 0.0, 0.0
        async for event in stream.events():
            if not applied:
                began_at, began_cpu = clock.monotonic(), own_cpu_seconds()
            turns[event.key] += 1
            applied += 1
            if applied == events:
                seconds, cpu_seconds = clock.monotonic() - began_at, own_cpu_seconds() - began_cpu
                _say(Throughput(events=sum(turns.values()), seconds=seconds, cpu_seconds=cpu_seconds))

    return app


def _say(found: Throughput) -> None:
    print(msgspec.json.encode(found).decode(), flush=True)  # noqa: T201


def main(bootstrap: str, partitions: str, events: str, folder: str) -> None:
    """Run the worker."""
    faust.Worker(build(bootstrap, int(partitions), int(events), folder), loglevel="WARN").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
