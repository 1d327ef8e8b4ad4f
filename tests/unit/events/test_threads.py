from uuid import UUID

import pytest

from pipeline.events.identity import ThreadRef, thread_key, thread_model_id
from pipeline.events.threads import REPLY_DECODER, CommandReply, ThreadEvent
from tests.support.event_schemas import check_round_trip, fields_of

PROJECT, LOG = UUID(int=1), UUID(int=2)


def session(**fields: object) -> ThreadEvent:
    return ThreadEvent(
        workspace="w", version_us=2, received_at_us=1, project_id=PROJECT, thread_id="chat",
        thread_model_id=thread_model_id(PROJECT, "chat"), session_id=f"{LOG}:3:14", session_log_id=LOG,
        session_partition=3, first_offset=14, last_offset=20, opened_at_us=10, last_activity_at_us=15,
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        session(event="opened", activities=1),
        session(event="closed", reason="inactive", closed_at_us=900_000_015, activities=7),
        session(event="closed", reason="requested", closed_at_us=16),
        session(event="closed", reason="deleted", closed_at_us=16),
        session(event="refused", reason="thread_open"),
    ],
)
def test_an_event_is_valid_by_its_schema_and_decodes_to_itself(event: ThreadEvent) -> None:
    check_round_trip("thread", event, event.record().value)


def test_a_session_is_keyed_by_its_thread() -> None:
    record = session(event="opened").record()

    assert record.key == thread_key(ThreadRef("w", PROJECT, "chat"))
    assert record.headers[0] == ("kind", b"thread")


def test_a_repeated_decision_is_the_same_record() -> None:
    assert session(event="closed", reason="inactive").record() == session(event="closed", reason="inactive").record()


@pytest.mark.parametrize(
    "reply",
    [
        CommandReply(request_id="r1", outcome="applied"),
        CommandReply(request_id="r1", outcome="ignored"),
        CommandReply(request_id="r1", outcome="refused", reason="the thread is open"),
    ],
)
def test_an_answer_goes_to_the_partition_that_waits_for_it(reply: CommandReply) -> None:
    record = reply.record(5)

    assert (record.key, record.partition, record.headers[0]) == (None, 5, ("kind", b"reply"))
    check_round_trip("command_reply", reply, record.value)
    assert REPLY_DECODER.decode(record.value or b"") == reply


def test_an_answer_without_a_reason_names_none() -> None:
    assert fields_of(CommandReply(request_id="r1", outcome="applied").record(0).value) == {
        "request_id": "r1", "outcome": "applied",
    }  # fmt: skip
