"""The rules against a second telling of them, with workers that die anywhere."""

from collections.abc import Sequence
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.events.envelope import headers_of
from pipeline.stream import lifecycle
from pipeline.stream.lifecycle import Pause, apply, kind_of
from tests.unit.stream.crashes import STEPS, Step, live_through
from tests.unit.stream.logs import LOG_ID, NUMBER, Log, LogRecord, comparable, emitted, key, new_partition, thread
from tests.unit.stream.oracle import expected

MINUTE_MS = 60_000

NAMES = st.sampled_from(["a", "b", "c"])
WORKSPACES = st.sampled_from(["default", "other"])
PASSING_MS = st.sampled_from([0, 1, 1, 300, 999, 1000, 2500, 61_000, 16 * MINUTE_MS, -1, -5000])
TIMEOUTS_MS = st.sampled_from([None, 1, 500, 1000, 3000, 70_000, 8 * 24 * 60 * MINUTE_MS])
COMMANDS = st.sampled_from(["close", "open", "delete", "score", "unscore"])
ODD = st.sampled_from(
    [
        (key("a"), b"nonsense", headers_of("close")),
        (key("a"), b'{"requested_at_us":1}', headers_of("score")),
        (b"thread\tbroken", b"{}", headers_of("trace")),
        (b"\xff\xfe", None, headers_of("open")),
        (None, b"\xff", headers_of("setting")),
        (b"018f-a-trace", b"{}", headers_of("trace")),
        (key("b"), b"{}", ()),
        (key("b"), b"{}", (("schema-version", b"1"), ("kind", b"trace"))),
        (None, None, (("kind", b"from the future"),)),
    ]
)


@st.composite
def logs(draw: st.DrawFn) -> list[LogRecord]:
    log = Log()
    for _ in range(draw(st.integers(1, 40))):
        log.after(draw(PASSING_MS))
        which = draw(st.integers(0, 9))
        if which < 5:
            log.trace(key(draw(NAMES), draw(WORKSPACES)))
        elif which == 5:
            log.tick()
        elif which == 6:
            regime = draw(st.sampled_from([None, "strict", "lenient"]))
            workspace, requested_at_us = draw(st.sampled_from([None, "default", "other"])), draw(st.integers(0, 3))
            log.setting(workspace, draw(TIMEOUTS_MS), regime, requested_at_us=requested_at_us)
        elif which < 9:
            log.command(draw(COMMANDS), thread(draw(NAMES), draw(WORKSPACES)))
        else:
            log.append(*draw(ODD))
    return log.records


STEP_LISTS = st.lists(st.builds(Step, st.sampled_from(STEPS), st.sampled_from([0.0, 0.3, 0.5, 0.8])), max_size=40)


def said_by_oracle(log: Sequence[LogRecord]) -> list[str]:
    return comparable(expected(log, log_id=LOG_ID, partition=NUMBER))


@given(logs())
@settings(max_examples=300)
def test_without_a_crash_everything_is_said_once_as_the_oracle_says_it(log: list[LogRecord]) -> None:
    partition = new_partition()
    list(apply(partition, log))
    assert comparable(emitted(partition, partition.take_outputs())) == said_by_oracle(log)


@given(logs(), STEP_LISTS, st.booleans(), st.sampled_from([1, 2, 1000]))
@settings(max_examples=1000)
def test_crashes_repeat_outputs_but_never_change_them(
    log: list[LogRecord],
    steps: list[Step],
    keeps_metadata: bool,  # noqa: FBT001
    slice_max: int,
) -> None:
    with (
        patch.object(lifecycle, "SLICE_RECORDS_MAX", slice_max),
        patch.object(lifecycle, "SLICE_DEADLINES_MAX", slice_max),
    ):
        durable = live_through(log, iter(steps), keeps_metadata=keeps_metadata)
    said, due = set(durable.said), set(said_by_oracle(log))
    assert due - said == set(), "missed"
    assert said - due == set(), "false, or repeated with other content"


def reasons(log: Log) -> list[tuple[str, int]]:
    """Return reason and time, in ms from the start, of each close."""
    partition = new_partition()
    list(apply(partition, log.records))
    return [
        (str(change["reason"]), change["closed_at_us"] // 1000 - 1_700_000_000_000)
        for _, change in emitted(partition, partition.take_outputs())
        if change.get("event") == "closed"
    ]


def test_a_session_closes_at_its_deadline_however_late_that_is_noticed() -> None:
    assert reasons(Log().trace(key("a")).after(60 * MINUTE_MS).tick()) == [("inactive", 15 * MINUTE_MS)]


def test_activity_at_the_deadline_itself_begins_a_new_session() -> None:
    log = Log().trace(key("a")).after(15 * MINUTE_MS).trace(key("a"))
    assert reasons(log) == [("inactive", 15 * MINUTE_MS)]
    partition = new_partition()
    list(apply(partition, log.records))
    assert partition.open_threads == 1


def test_a_stamp_before_log_time_does_not_bring_a_deadline_nearer() -> None:
    log = Log().trace(key("a")).after(10 * MINUTE_MS).tick().after(-9 * MINUTE_MS).trace(key("a"))
    assert reasons(log.after(23 * MINUTE_MS).tick()) == []
    assert reasons(log.after(1 * MINUTE_MS).tick()) == [("inactive", 25 * MINUTE_MS)]


def test_deadlines_fire_in_order() -> None:
    log = Log()
    for name in ("c", "a", "b"):
        log.trace(key(name)).after(10)
    assert [at for _, at in reasons(log.after(60 * MINUTE_MS).tick())] == [900_000, 900_010, 900_020]


def test_a_lowered_timeout_closes_the_overdue_at_the_time_of_the_setting() -> None:
    log = Log().trace(key("a")).after(5 * MINUTE_MS).trace(key("b")).after(1).setting(None, MINUTE_MS)
    assert reasons(log) == [("inactive", 5 * MINUTE_MS + 1)]
    assert reasons(log.after(MINUTE_MS).tick())[1:] == [("inactive", 6 * MINUTE_MS)]


def test_a_raised_timeout_moves_deadlines() -> None:
    log = Log().trace(key("a")).after(1).setting("default", 60 * MINUTE_MS).after(59 * MINUTE_MS).tick()
    assert reasons(log) == []
    assert reasons(log.after(MINUTE_MS).tick()) == [("inactive", 60 * MINUTE_MS)]


@pytest.mark.parametrize("rounds", [1, 50])
def test_closing_and_opening_again_leaves_one_deadline(rounds: int) -> None:
    log = Log()
    for _ in range(rounds):
        log.trace(key("a")).command("close", thread("a")).after(1)
    log.trace(key("a"))
    partition = new_partition()
    list(apply(partition, log.records))
    assert len(partition.deadlines) == 1


def test_a_million_closes_are_given_in_slices() -> None:
    count = 3 * lifecycle.SLICE_DEADLINES_MAX
    log = Log()
    for number in range(count):
        log.trace(key(str(number)))
    log.after(60 * MINUTE_MS).tick()
    partition = new_partition()
    list(apply(partition, log.records[:-1]))
    partition.take_outputs()
    slices = []
    for _ in apply(partition, log.records[-1:]):
        slices.append(len(partition.take_outputs()))
        assert partition.next_offset == count, "the record that moved the time waits for all deadlines"
    assert sum(slices) == count
    assert max(slices) <= lifecycle.SLICE_DEADLINES_MAX
    assert partition.next_offset == count + 1


@pytest.mark.parametrize("pauses", range(6))
def test_a_commit_between_two_slices_leaves_the_rest_of_the_deadlines_to_the_next_worker(pauses: int) -> None:
    log = Log().trace(key("a")).trace(key("b")).after(60 * MINUTE_MS).tick()
    with patch.object(lifecycle, "SLICE_DEADLINES_MAX", 1):
        steps = iter([Step("go on")] * pauses + [Step("die after the commit")])
        durable = live_through(log.records, steps, keeps_metadata=True)
    assert set(durable.said) == set(said_by_oracle(log.records))


def test_a_command_pauses_so_that_its_answer_can_go_out_at_once() -> None:
    log = Log().trace(key("a")).command("close", thread("a"))
    assert list(apply(new_partition(), log.records)) == [Pause.ANSWERED]


def test_records_below_the_next_offset_are_passed_over() -> None:
    log = Log().trace(key("a")).trace(key("a"))
    partition = new_partition()
    list(apply(partition, log.records))
    list(apply(partition, log.records))
    assert [change["activities"] for _, change in emitted(partition, partition.take_outputs())] == [1]


def test_the_kind_is_found_wherever_it_stands() -> None:
    assert kind_of(headers_of("tick")) == b"tick"
    assert kind_of((("a", b"b"), ("kind", b"close"))) == b"close"
    assert kind_of(()) == b""


def test_what_cannot_be_read_is_counted_and_only_moves_the_time() -> None:
    log = Log().append(b"thread\tbroken", b"{}", headers_of("trace")).append(None, b"?", headers_of("setting"))
    log.append(key("a"), b"?", headers_of("close")).append(None, None, ())
    partition = new_partition()
    list(apply(partition, log.records))
    assert partition.tally.undecodable == {"trace": 1, "setting": 1, "close": 1, "unknown": 1}
    assert (partition.next_offset, partition.threads) == (4, {})
