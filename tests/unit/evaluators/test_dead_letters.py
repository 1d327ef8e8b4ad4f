from uuid import UUID

import msgspec

from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.evaluators.dead_letters import letter_of, reason_of
from pipeline.evaluators.scoring import Failure
from pipeline.events.dead_letters import DeadLetter, bytes_of
from pipeline.events.envelope import headers_of
from pipeline.events.identity import ThreadRef, thread_key
from tests.unit.evaluators.sessions import Read

LOG = UUID(int=5)


def test_a_letter_keeps_the_record_and_where_it_stood_and_is_the_same_again() -> None:
    key = thread_key(ThreadRef("wörk", UUID(int=7), "t"))
    record = Read(offset=4, timestamp=9, key=key, value=b"\xff", headers=headers_of("thread"))
    letter = letter_of(LogPartition("threads", 2), LOG, record, "why " * 9000)
    again = letter_of(LogPartition("threads", 2), LOG, record, "why " * 9000)

    assert (letter, letter.key) == (again, key)
    found = msgspec.json.decode(letter.value or b"", type=DeadLetter)
    assert (found.workspace, found.stage, found.topic) == ("wörk", "evaluators", "threads")
    assert (found.origin_log_id, found.origin_partition, found.origin_offset) == (LOG, 2, 4)
    assert (bytes_of(found.value), found.received_at_us, len(found.reason)) == (b"\xff", 9000, 8000)


def test_a_record_whose_key_is_no_threads_belongs_to_the_default_workspace() -> None:
    record = Read(offset=4, timestamp=9, key=None, value=None, headers=())
    letter = letter_of(LogPartition("threads", 2), LOG, record, "why")

    assert msgspec.json.decode(letter.value or b"", type=DeadLetter).workspace == "default"


def test_the_reason_names_every_evaluator_that_failed() -> None:
    assert reason_of([Failure("a/b", "slow"), Failure("a/c", "odd")]) == "a/b: slow; a/c: odd"
