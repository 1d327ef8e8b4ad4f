from uuid import UUID

from pipeline.events.identity import thread_model_id
from pipeline.events.threads import CommandReply
from pipeline.stream.outputs import Outbox, thread_event
from pipeline.stream.partition import Answer, SessionChange
from pipeline.stream.thread_state import OPEN, ThreadState
from pipeline.topics import SCORES, THREAD_REPLIES, THREADS
from tests.unit.stream.logs import LOG_ID, key, new_partition, score_of, thread

SESSION = ThreadState(4, 6, 7, 1000, 3000, OPEN, 2)


def test_an_event_names_thread_and_session() -> None:
    event = thread_event(SessionChange(key("a"), "opened", 1000, SESSION), log_id=LOG_ID, partition=3)
    assert (event.workspace, event.project_id, event.thread_id) == thread("a")
    assert event.thread_model_id == thread_model_id(event.project_id, "a")
    assert event.session_id == f"{LOG_ID}:3:4"
    assert (event.first_offset, event.last_offset, event.activities) == (4, 6, 2)
    assert (event.closed_at_us, event.reason) == (None, None)


def test_a_close_is_newer_than_an_opening_at_the_same_log_time() -> None:
    opened = thread_event(SessionChange(key("a"), "opened", 1000, SESSION), log_id=LOG_ID, partition=3)
    closed = thread_event(SessionChange(key("a"), "closed", 1000, SESSION, "requested"), log_id=LOG_ID, partition=3)
    assert opened.version_us < closed.version_us
    assert (closed.closed_at_us, closed.reason) == (1000, "requested")


def test_each_output_goes_to_its_topic() -> None:
    outbox = Outbox(new_partition(), reply_partitions=2)
    outbox.add(
        [
            SessionChange(key("a"), "opened", 1000, SESSION),
            score_of(thread("a")),
            Answer(1, CommandReply(request_id="r", outcome="applied")),
        ]
    )
    records = outbox.records
    assert [record.key for record in records[THREADS]] == [key("a")]
    assert [UUID((record.key or b"").decode()) for record in records[SCORES]] == [score_of(thread("a")).entity_id]
    assert [record.partition for record in records[THREAD_REPLIES]] == [1]
