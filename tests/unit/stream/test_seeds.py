"""A stream that begins with seeds: what it says of sessions that another log, or another changelog, knew."""

import json
from typing import Any
from uuid import UUID

from pipeline.events.controls import Setting
from pipeline.events.envelope import Record
from pipeline.events.identity import session_id
from pipeline.stream.lifecycle import apply
from pipeline.stream.partition import Partition
from pipeline.stream.seeds import OpenSession, opened_record, reached_record, setting_record, state_record
from pipeline.stream.thread_state import Extent
from tests.unit.stream.logs import LOG_ID, NUMBER, START_MS, Log, emitted, key, new_partition, thread

LOST = UUID("01880000-0000-7000-8000-000000000001")
BEGAN_US = (START_MS - 9_000) * 1000
ACTIVE_US = (START_MS - 5_000) * 1000
CARRIED = OpenSession(thread("a"), Extent(LOST, 7, 40, LOST, 44), BEGAN_US, ACTIVE_US, activities=3, is_told=True)
OF_THIS_LOG = CARRIED._replace(extent=Extent(LOG_ID, NUMBER, 40, LOG_ID, 44))
TIMEOUT = Setting(timeout_ms=6_000)


def state(session: OpenSession) -> Record:
    return state_record(session, log_id=LOG_ID, partition=NUMBER)


def seeded(*records: Record, offset: int = 0) -> Partition:
    """Return a partition as it is recovered from these records."""
    partition = new_partition()
    partition.threads.update({record.key or b"": record.value or b"" for record in records})
    partition.restore(committed_offset=offset, log_time_us=None)
    list(partition.take_stock())
    return partition


def said(partition: Partition, log: Log) -> list[dict[str, Any]]:
    list(apply(partition, log.records))
    return [event for topic, event in emitted(partition, partition.take_outputs()) if topic == "threads"]


def test_silence_closes_the_session_of_the_lost_log_at_its_deadline() -> None:
    [closed] = said(seeded(state(CARRIED), setting_record(TIMEOUT, partition=NUMBER)), Log().after(2_000).tick())

    assert (closed["event"], closed["reason"]) == ("closed", "inactive")
    assert closed["session_id"] == session_id(LOST, 7, 40)
    assert (closed["session_log_id"], closed["session_partition"]) == (str(LOST), 7)
    assert (closed["first_offset"], closed["last_offset"], closed["activities"]) == (40, 44, 3)
    assert (closed["opened_at_us"], closed["last_activity_at_us"]) == (BEGAN_US, ACTIVE_US)
    assert closed["closed_at_us"] == ACTIVE_US + 6_000_000
    assert "last_log_id" not in closed


def test_activity_in_the_new_log_goes_on_with_the_session_from_its_first_record_on() -> None:
    partition = seeded(state(CARRIED), setting_record(TIMEOUT, partition=NUMBER))
    [closed] = said(partition, Log().trace(key("a")).after(6_000).tick())

    assert closed["session_id"] == session_id(LOST, 7, 40)
    assert (closed["first_offset"], closed["last_offset"], closed["last_log_id"]) == (40, 0, str(LOG_ID))
    assert (closed["activities"], closed["closed_at_us"]) == (4, (START_MS + 6_000) * 1000)
    assert partition.tally.replayed == 0


def test_the_next_session_is_one_of_the_new_log() -> None:
    log = Log().command("close", thread("a")).trace(key("a"))
    closed, opened = said(seeded(state(CARRIED)), log)

    assert (closed["session_id"], closed["reason"]) == (session_id(LOST, 7, 40), "requested")
    assert opened["session_id"] == session_id(LOG_ID, NUMBER, 1)


def test_commands_meet_the_session_of_the_lost_log() -> None:
    partition = seeded(state(CARRIED))
    list(apply(partition, Log().command("score", thread("a")).command("close", thread("a")).records))
    list(apply(partition, Log().tick().tick().command("score", thread("a")).records))
    outputs = emitted(partition, partition.take_outputs())

    assert [event["event"] for topic, event in outputs if topic == "threads"] == ["refused", "closed"]
    [score] = [event for topic, event in outputs if topic == "scores"]
    assert score["session_id"] == session_id(LOST, 7, 40)


def test_what_was_carried_survives_the_next_recovery() -> None:
    partition = seeded(state(CARRIED))
    list(apply(partition, Log().trace(key("a")).records))
    checkpoint = partition.checkpoint()
    assert checkpoint is not None
    again = seeded(*[Record(name, value, (), NUMBER) for name, value in checkpoint.states], offset=1)
    [closed] = said(again, Log().tick().command("close", thread("a")))

    assert (closed["session_id"], closed["last_log_id"]) == (session_id(LOST, 7, 40), str(LOG_ID))


def test_a_session_of_this_log_is_as_the_changelog_had_it() -> None:
    log = Log().after(-9_000)
    for _ in range(3):
        log.trace(key("a")).after(2_000)
    before = new_partition()
    list(apply(before, log.records))
    session = OpenSession(
        thread("a"), Extent(LOG_ID, NUMBER, 0, LOG_ID, 2), BEGAN_US, ACTIVE_US, activities=3, is_told=True
    )

    assert state(session).value == before.threads[key("a")]


def test_a_replay_behind_the_place_is_activity() -> None:
    partition = seeded(state(OF_THIS_LOG), reached_record(50, log_time_us=ACTIVE_US, partition=NUMBER), offset=50)
    log = Log()
    for _ in range(51):
        log.tick()
    list(apply(partition, log.trace(key("a")).records))
    found = partition.state_of(key("a"))

    assert found is not None
    assert (found.first_offset, found.last_offset, found.activities) == (40, 51, 4)


def test_log_time_goes_on_from_the_place() -> None:
    reached = reached_record(50, log_time_us=ACTIVE_US, partition=NUMBER)

    assert seeded(reached, offset=50).log_time_us == ACTIVE_US


def test_an_opening_is_told_as_it_would_have_been_then() -> None:
    log = Log().trace(key("a"))
    before = new_partition()
    list(apply(before, log.records))
    [(_, told)] = emitted(before, before.take_outputs())
    began_us = START_MS * 1000
    session = OpenSession(
        thread("a"), Extent(LOG_ID, NUMBER, 0, LOG_ID, 9), began_us, began_us + 1, activities=5, is_told=False
    )

    for log_id in (LOG_ID, LOST):  # also where the log is lost by now
        record = opened_record(session, log_id=log_id, partition=NUMBER)
        assert (json.loads(record.value or b""), record.key) == (told, key("a"))


def test_a_setting_is_in_effect_from_the_first_record_on_and_a_later_request_counts() -> None:
    setting = Setting(workspace="default", requested_at_us=5, timeout_ms=1_000, score_regime="lenient")
    partition = seeded(setting_record(setting, partition=NUMBER))
    assert (partition.timeouts.timeout_us(key("a")), partition.timeouts.regime("default")) == (1_000_000, "lenient")

    list(apply(partition, Log().setting("default", 3_000, requested_at_us=4).records))
    assert partition.timeouts.timeout_us(key("a")) == 1_000_000
    list(apply(partition, Log().tick().setting("default", 3_000, requested_at_us=6).records))
    assert partition.timeouts.timeout_us(key("a")) == 3_000_000
