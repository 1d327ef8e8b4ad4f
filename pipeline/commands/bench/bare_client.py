"""The bound: a bare loop over the Kafka client that parses each value and keeps nothing.

Run as `python -m pipeline.commands.bench.bare_client <bootstrap> <partitions> <events>`; prints one line of JSON.
"""

import asyncio
import sys
from contextlib import aclosing

import msgspec
import orjson

from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.reader import read_from_start
from pipeline.commands.bench.measure import Throughput, own_cpu_seconds
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES


async def read(kafka: KafkaSettings, events: int, clock: Clock) -> Throughput:
    """Read and parse the first `events` records of the log; the time begins with the first of them."""
    applied, began_at, began_cpu = 0, 0.0, 0.0
    async with aclosing(read_from_start(kafka, TRACES)) as polls:
        async for records in polls:
            if not applied:
                began_at, began_cpu = clock.monotonic(), own_cpu_seconds()
            for record in records:
                orjson.loads(record.value or b"null")
            applied += len(records)
            if applied >= events:
                break
    return Throughput(events=applied, seconds=clock.monotonic() - began_at, cpu_seconds=own_cpu_seconds() - began_cpu)


def main(bootstrap: str, partitions: str, events: str) -> None:
    """Read, and print what it took."""
    kafka = KafkaSettings(bootstrap=bootstrap, partitions=int(partitions))
    found = asyncio.run(read(kafka, int(events), SystemClock()))
    print(msgspec.json.encode(found).decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
