from collections import Counter

import msgspec

from pipeline.adapters.clock import ManualClock
from pipeline.commands.bench.load import (
    EVENT_BYTES,
    RECORDS_PER_COMMAND,
    Load,
    first_turns,
    mixed_records,
    thread_of,
    whole_conversations,
)
from pipeline.events.controls import COMMAND_DECODER
from pipeline.events.envelope import Record
from pipeline.events.identity import parse_thread_key, thread_key
from pipeline.events.traces import TRACE_DECODER

LOAD = Load(events=3 * RECORDS_PER_COMMAND, threads=50)


def kind_of(record: Record) -> bytes:
    return dict(record.headers)["kind"]


def test_a_load_is_traces_of_the_same_size_with_a_command_now_and_then() -> None:
    records = list(mixed_records(LOAD, ManualClock()))

    assert Counter(map(kind_of, records)) == {b"trace": LOAD.events - 3, b"close": 3}
    assert {len(record.value or b"") for record in records if kind_of(record) == b"trace"} == {EVENT_BYTES}
    assert COMMAND_DECODER.decode(records[RECORDS_PER_COMMAND - 1].value or b"").requested_at_us > 0


def test_every_event_is_one_that_the_gateway_could_have_written() -> None:
    for record in mixed_records(LOAD, ManualClock()):
        if kind_of(record) == b"trace":
            event = TRACE_DECODER.decode(record.value or b"")
            thread = event.thread()
            assert thread is not None
            assert record.key == thread_key(thread)
            assert event.input is not None
            assert event.output is not None
            msgspec.json.decode(event.input)
            msgspec.json.decode(event.output)


def test_the_same_seed_gives_the_same_threads_in_the_same_order() -> None:
    first, again = ([record.key for record in mixed_records(Load(500, 50, seed), ManualClock())] for seed in (7, 7))
    other = [record.key for record in mixed_records(Load(500, 50, 8), ManualClock())]

    assert first == again != other
    assert {parse_thread_key(key or b"") for key in first} <= {thread_of(number) for number in range(50)}


def test_each_thread_has_one_first_turn() -> None:
    keys = [record.key for record in first_turns(100, ManualClock())]

    assert keys == [thread_key(thread_of(number)) for number in range(100)]


def test_whole_conversations_come_one_after_the_other() -> None:
    records = list(whole_conversations(3, 4, ManualClock()))

    keys = [record.key for record in records]
    assert len(set(keys)) == 3
    assert keys == sorted(keys)
    assert all(len(record.value or b"") == EVENT_BYTES for record in records)
