"""What our sink is measured beside: the least that stores a topic, with nothing against loss.

Run as `python -m pipeline.commands.bench.bare_sink <how> <bootstrap> <partitions> <clickhouse port> <file>
<fold_rows_max>`; prints one line of JSON. `how` is

* `prepare`: write the rows of the topic into the file, by inserts; the first insert is also done and folded, so that
  none of the others finds ClickHouse cold (the tables are emptied afterwards),
* `ceiling`: insert what is in that file. As in our sink one insert and one fold run at a time, beside each other: what
  ClickHouse can do if it never waits,
* `columns`: consume, decode, and insert columns from Python in ClickHouse's native format,
* `joined`: consume, splice the provenance in, and insert the joined bytes.

The inserts are of the size that our sink makes them. A fold takes what has been inserted meanwhile, up to
`fold_rows_max` rows or one insert, as in our sink; where nothing overlaps it waits until there is so much. In the last
two a batch is read, inserted, perhaps folded, and then the next one is read.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.adapters.kafka.reader import read_to_end
from pipeline.commands.bench.measure import Throughput, own_cpu_seconds
from pipeline.errors import FatalError
from pipeline.events.envelope import headers_of
from pipeline.events.identity import NIL_ID
from pipeline.events.traces import TRACE_DECODER
from pipeline.settings import ClickHouseSettings, KafkaSettings, SinksSettings
from pipeline.sinks.fold import fold
from pipeline.sinks.ranges import Covered, covering, together
from pipeline.sinks.splice import head_of, splice
from pipeline.topics import TRACES

_TABLE: Final = "trace_events"
_EVENT: Final = headers_of("trace")
_COLUMNS: Final = (
    "workspace", "version_us", "received_at_us", "id", "event", "project_id", "project_name", "thread_id", "name",
    "start_time_us", "end_time_us", "input", "output", "source", "log_id", "log_partition", "log_offset",
    "appended_at_ms",
)  # fmt: skip


class Stood(NamedTuple):
    """Where a row stood, as `covering` takes it."""

    partition: int
    offset: int
    appended_at_ms: int


class Read(NamedTuple):
    """A record and its partition."""

    partition: int
    record: LogRecord


Insert = Callable[[Sequence[Read]], Awaitable[None]]


async def _batches(kafka: KafkaSettings) -> AsyncGenerator[list[Read]]:
    """Yield the trace events of the topic, as many at a time as the sink puts into one insert."""
    limits, gathered, size = SinksSettings(), list[Read](), 0
    async with aclosing(read_to_end(kafka, TRACES)) as polls:
        async for partition, records in polls:
            events = [Read(partition, record) for record in records if record.headers == _EVENT]
            gathered += events
            size += sum(len(event.record.value or b"") for event in events)
            if len(gathered) >= limits.batch_rows_max or size >= limits.batch_bytes_max:
                yield gathered
                gathered, size = [], 0
    if gathered:
        yield gathered


def _lines(log_id: UUID, batch: Sequence[Read]) -> list[bytes]:
    heads = {partition: head_of(log_id, partition) for partition in {one.partition for one in batch}}
    return [splice(heads[at], record.offset, record.timestamp, record.value) for at, record in batch]


def _covered(log_id: UUID, batch: Sequence[Read]) -> Covered:
    return covering(log_id, TRACES.name, [Stood(at, record.offset, record.timestamp) for at, record in batch])


async def _fold(client: ClickHouse, parts: Sequence[Covered]) -> None:
    if parts:
        await fold(client, _TABLE, together(parts))


async def _consume(
    kafka: KafkaSettings, client: ClickHouse, log_id: UUID, insert: Insert, *, fold_rows_max: int
) -> int:
    rows, unfolded = 0, list[Covered]()
    async with aclosing(_batches(kafka)) as batches:
        async for batch in batches:
            await insert(batch)
            rows += len(batch)
            unfolded.append(_covered(log_id, batch))
            if sum(part.rows for part in unfolded) >= fold_rows_max:
                await _fold(client, unfolded)
                unfolded = []
    await _fold(client, unfolded)
    return rows


async def _insert_columns(client: ClickHouse, log_id: UUID, batch: Sequence[Read]) -> None:
    rows = []
    for at, record in batch:
        event = TRACE_DECODER.decode(record.value or b"")
        rows.append((
            event.workspace, event.version_us, event.received_at_us, event.id, event.event,
            event.project_id or NIL_ID, event.project_name or "", event.thread_id or "", event.name,
            event.start_time_us, event.end_time_us, event.input, event.output, event.source,
            log_id, at, record.offset, record.timestamp,
        ))  # fmt: skip
    await client.insert_columns(_TABLE, _COLUMNS, list(zip(*rows, strict=True)))


async def _prepare(kafka: KafkaSettings, client: ClickHouse, log_id: UUID, file: Path) -> int:
    """Write each batch as what it covers and its bytes, each after its length; store the first."""
    rows = 0
    with file.open("wb") as out:
        async with aclosing(_batches(kafka)) as batches:
            async for batch in batches:
                covered, body = _covered(log_id, batch), b"\n".join(_lines(log_id, batch))
                for part in (msgspec.json.encode(covered), body):
                    out.write(len(part).to_bytes(8, "big") + part)
                if rows == 0:
                    await client.insert_lines(_TABLE, [body], token=None)
                    await _fold(client, [covered])
                rows += len(batch)
    return rows


def _kept(file: Path) -> Iterator[tuple[Covered, bytes]]:
    with file.open("rb") as kept:
        while head := kept.read(8):
            covered = msgspec.json.decode(kept.read(int.from_bytes(head, "big")), type=Covered)
            yield covered, kept.read(int.from_bytes(kept.read(8), "big"))


async def _insert_file(client: ClickHouse, file: Path, *, fold_rows_max: int) -> int:
    rows, unfolded = 0, list[Covered]()
    folding = asyncio.create_task(_fold(client, []))
    for covered, body in _kept(file):
        await client.insert_lines(_TABLE, [body], token=None)
        rows += covered.rows
        unfolded.append(covered)
        if folding.done() or sum(part.rows for part in unfolded) >= fold_rows_max:
            await folding
            folding, unfolded = asyncio.create_task(_fold(client, unfolded)), []
    await folding
    await _fold(client, unfolded)
    return rows


async def store(
    how: str, kafka: KafkaSettings, storage: ClickHouseSettings, file: Path, clock: Clock, *, fold_rows_max: int
) -> Throughput:
    """Store the topic in the way that `how` says; raises FatalError for any other."""
    log_id = (await read_log_ids(kafka))[TRACES.name]
    async with ClickHouse(storage) as client:
        await client.start()
        began_at, began_cpu = clock.monotonic(), own_cpu_seconds()
        match how:
            case "prepare":
                rows = await _prepare(kafka, client, log_id, file)
            case "ceiling":
                rows = await _insert_file(client, file, fold_rows_max=fold_rows_max)
            case "columns":

                async def insert(batch: Sequence[Read]) -> None:
                    await _insert_columns(client, log_id, batch)

                rows = await _consume(kafka, client, log_id, insert, fold_rows_max=fold_rows_max)
            case "joined":

                async def insert_joined(batch: Sequence[Read]) -> None:
                    await client.insert_lines(_TABLE, _lines(log_id, batch), token=None)

                rows = await _consume(kafka, client, log_id, insert_joined, fold_rows_max=fold_rows_max)
            case _:
                raise FatalError(f"no contender {how}")
        return Throughput(events=rows, seconds=clock.monotonic() - began_at, cpu_seconds=own_cpu_seconds() - began_cpu)


def main(how: str, bootstrap: str, partitions: str, port: str, file: str, fold_rows_max: str) -> None:
    """Store, and print what it took."""
    kafka = KafkaSettings(bootstrap=bootstrap, partitions=int(partitions))
    storage = ClickHouseSettings(port=int(port), request_timeout_seconds=600.0)
    found = asyncio.run(store(how, kafka, storage, Path(file), SystemClock(), fold_rows_max=int(fold_rows_max)))
    print(msgspec.json.encode(found).decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
