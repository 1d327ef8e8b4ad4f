from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.identity import DEFAULT_PROJECT_NAME, ThreadRef, is_thread_key, project_id, thread_key
from pipeline.events.traces import TRACE_DECODER, TraceEvent
from tests.support.event_schemas import check_round_trip, fields_of, validator

TRACE = UUID("0191d7a2-0000-7000-8000-00000000000a")
PROJECT = UUID("0191d7a2-0000-7000-8000-000000000001")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
TAGS = st.lists(TEXT, max_size=3).map(tuple)
EVENTS = st.builds(
    TraceEvent,
    workspace=TEXT,
    version_us=st.integers(0, 2**53),
    received_at_us=st.integers(0, 2**53),
    id=st.uuids(),
    event=st.sampled_from(["create", "patch", "delete"]),
    project_id=st.none() | st.uuids(),
    thread_id=st.none() | TEXT,
    input=st.none() | TEXT,
    tags_reset=st.booleans(),
    tags_added=TAGS,
    tags_removed=TAGS,
    ttft=st.none() | st.floats(0, 1e9),
)


def create(**fields: object) -> TraceEvent:
    return msgspec.convert(
        {"workspace": "default", "version_us": 2, "received_at_us": 1, "id": TRACE, "event": "create", **fields},
        TraceEvent,
    )


@given(EVENTS)
def test_an_event_is_valid_by_its_schema_and_decodes_to_itself(event: TraceEvent) -> None:
    check_round_trip("trace", event, event.record().value)
    assert TRACE_DECODER.decode(event.record().value or b"") == event


def test_what_an_event_does_not_say_is_not_in_it() -> None:
    assert fields_of(create(name="chat").record().value) == {
        "workspace": "default", "version_us": 2, "received_at_us": 1, "id": str(TRACE), "event": "create",
        "name": "chat",
    }  # fmt: skip


def test_a_payload_stays_the_text_that_the_producer_wrote() -> None:
    written = '{"b": 1.0,  "a": "\\ud83d\\ude00"}'

    assert fields_of(create(input=written).record().value)["input"] == written


@pytest.mark.parametrize(
    ("event", "project", "expected"),
    [("create", PROJECT, PROJECT), ("patch", PROJECT, PROJECT), ("create", None, None), ("patch", None, None)],
)
def test_an_event_with_a_thread_is_keyed_by_it(event: str, project: UUID | None, expected: UUID | None) -> None:
    trace = create(event=event, project_id=project, thread_id="chat-1")
    thread = ThreadRef("default", expected or project_id("default", DEFAULT_PROJECT_NAME), "chat-1")

    assert trace.thread() == thread
    assert trace.record().key == thread_key(thread)


@pytest.mark.parametrize("fields", [{}, {"event": "patch"}, {"event": "delete"}, {"event": "delete", "thread_id": "t"}])
def test_an_event_without_a_thread_is_keyed_by_its_trace(fields: dict[str, object]) -> None:
    trace = create(**fields)

    assert trace.thread() is None
    assert trace.record().key == str(TRACE).encode()
    assert not is_thread_key(trace.record().key)


@pytest.mark.parametrize(
    "fields",
    [{"event": "update"}, {"id": "chat"}, {"start_time_us": "now"}, {"tags_added": "a"}, {"tags_reset": None}],
)
def test_the_schema_refuses_what_the_definition_refuses(fields: dict[str, object]) -> None:
    line = msgspec.json.encode({**fields_of(create().record().value), **fields})

    with pytest.raises(msgspec.ValidationError):
        TRACE_DECODER.decode(line)
    assert not validator("trace").is_valid(fields_of(line))
