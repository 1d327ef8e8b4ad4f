"""The bound: what a gateway must do with each request, without HTTP, without limits and without any choice.

It inflates the body, decodes it by type, encodes each trace as the row that the sinks store, and publishes. Run as
`python -m pipeline.commands.bench.bare_gateway <bootstrap> <partitions> <traces a request> <requests>`; prints one line
of JSON.
"""

import asyncio
import sys
import zlib
from collections.abc import Sequence
from datetime import datetime
from itertools import cycle, islice
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Raw

from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.commands.bench.load import WORKSPACE
from pipeline.commands.bench.measure import Throughput, own_cpu_seconds
from pipeline.commands.bench.requests import Requests
from pipeline.events.envelope import Record, headers_of
from pipeline.events.identity import ThreadRef, project_id, thread_key
from pipeline.events.traces import TraceEvent
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES

AT_ONCE: Final = 8
DISTINCT_MAX: Final = 40
"""So many different requests are sent, again and again; making them costs more than taking them in."""
_GZIP_WINDOW_BITS: Final = 31
_MICROSECONDS: Final = 1e6


class _Trace(msgspec.Struct, gc=False):
    id: UUID
    project_name: str
    name: str
    start_time: datetime
    end_time: datetime
    last_updated_at: datetime
    input: Raw
    output: Raw
    metadata: Raw
    tags: tuple[str, ...]
    thread_id: str
    source: str


class _Batch(msgspec.Struct):
    traces: list[_Trace]


_BATCH: Final = msgspec.json.Decoder(_Batch)


def records_of(body: bytes, received_at_us: int) -> list[Record]:
    """Return the records of one request."""
    return [_record(trace, received_at_us) for trace in _BATCH.decode(zlib.decompress(body, _GZIP_WINDOW_BITS)).traces]


def _record(trace: _Trace, received_at_us: int) -> Record:
    project = project_id(WORKSPACE, trace.project_name)
    event = TraceEvent(
        workspace=WORKSPACE,
        version_us=_microseconds(trace.last_updated_at),
        received_at_us=received_at_us,
        id=trace.id,
        event="create",
        project_id=project,
        project_name=trace.project_name,
        thread_id=trace.thread_id,
        name=trace.name,
        start_time_us=_microseconds(trace.start_time),
        end_time_us=_microseconds(trace.end_time),
        input=str(trace.input, "utf-8"),
        output=str(trace.output, "utf-8"),
        metadata=str(trace.metadata, "utf-8"),
        tags_reset=True,
        tags_added=trace.tags,
        source=trace.source,
    )
    key = thread_key(ThreadRef(WORKSPACE, project, trace.thread_id))
    return Record(key, msgspec.json.encode(event), headers_of("trace"))


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * _MICROSECONDS)


async def take_in(
    kafka: KafkaSettings, bodies: Sequence[bytes], requests: int, traces: int, clock: Clock
) -> Throughput:
    """Take in `requests` requests, AT_ONCE of them at a time, so that the producer packs as it does in a gateway."""
    waiting = islice(cycle(bodies), requests)
    async with EventProducer(kafka, client_id="threadline-bench") as producer:

        async def work() -> None:
            for body in waiting:
                await producer.publish(TRACES, records_of(body, clock.now_us()))

        await producer.partitions(TRACES)
        began_at, began_cpu = clock.monotonic(), own_cpu_seconds()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return Throughput(
            events=requests * traces,
            seconds=clock.monotonic() - began_at,
            cpu_seconds=own_cpu_seconds() - began_cpu,
        )


def main(bootstrap: str, partitions: str, traces: str, requests: str) -> None:
    """Take in, and print what it took."""
    kafka = KafkaSettings(bootstrap=bootstrap, partitions=int(partitions), last_record_alone=True)
    clock = SystemClock()
    distinct = min(DISTINCT_MAX, int(requests))
    bodies = [request.body for request in Requests(clock).many(distinct, int(traces))]
    found = asyncio.run(take_in(kafka, bodies, int(requests), int(traces), clock))
    print(msgspec.json.encode(found).decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
