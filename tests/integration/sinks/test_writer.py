from uuid import UUID

import msgspec
import pytest
import uuid_utils.compat as uuids

from pipeline.adapters.clock import SystemClock
from pipeline.events.dead_letters import DeadLetter
from pipeline.events.traces import TraceEvent
from pipeline.settings import SinksSettings
from pipeline.sinks.batch import Batch, Limits
from pipeline.sinks.routes import TRACE_EVENTS
from pipeline.sinks.writer import Writer
from pipeline.topics import DEAD_LETTERS
from tests.support.installation import Installation
from tests.support.log_records import LogRecord, run_of

LOG_ID = UUID("01a20000-0000-7000-8000-00000000000a")
LIMITS = Limits(10_000, 1 << 30, 1.0, 1.0)


def batch(rows: int, poison: set[int]) -> Batch:
    made = Batch("traces", LOG_ID, LIMITS, 0.0)
    for offset in range(rows):
        event = TraceEvent(workspace="w", version_us=1, received_at_us=1, id=uuids.uuid7(), event="create")
        value = b'{"unknown":1}' if offset in poison else msgspec.json.encode(event)
        made.add(run_of(0, LogRecord(offset, value)), 0.0)
    return made


async def store_and_fold(writer: Writer, made: Batch) -> None:
    await writer.store(made)
    await writer.fold([made])


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({0}, id="first"),
        pytest.param({2499}, id="last"),
        pytest.param({1000, 1001, 1999}, id="at the edges of pieces"),
        pytest.param(set(range(1200, 1280, 2)), id="every second of some"),
    ],
)
async def test_only_the_poison_is_set_aside(installation: Installation, poison: set[int]) -> None:
    writer = Writer(TRACE_EVENTS, installation.client, installation.producer, SystemClock(), SinksSettings())

    await store_and_fold(writer, batch(2500, poison))

    letters = [msgspec.json.decode(record.value, type=DeadLetter) for record in await installation.log(DEAD_LETTERS)]
    assert {letter.origin_offset for letter in letters} == poison
    assert len(letters) == len(poison)
    stored = await installation.client.rows("SELECT log_offset FROM trace_events FINAL ORDER BY log_offset")
    assert [row["log_offset"] for row in stored] == [offset for offset in range(2500) if offset not in poison]
    folded = await installation.client.rows("SELECT count() AS rows FROM traces FINAL")
    assert folded == [{"rows": 2500 - len(poison)}]
