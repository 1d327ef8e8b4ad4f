import pytest

from pipeline.local.bodies import (
    LoggedTurn,
    Shape,
    iso_time,
    langchain_message,
    named_members,
    openai_chat,
    plain_text,
    score_bodies,
)
from pipeline.local.conversations import Conversation, Rating, Turn

CONVERSATION = Conversation(
    "thread-1",
    "chitchat",
    "Naps",
    None,
    (Turn("How are you?", "Tired.", 1.0, 2.0), Turn("Still?", "Yes.", 3.0, 4.0), Turn("Hello?", None, 9.0, None)),
    (Rating("witty", 7.0),),
)


def logged(place: int, shape: Shape = plain_text) -> LoggedTurn:
    return LoggedTurn(CONVERSATION, place, "demo", "trace-1", "span-1", 1_000_000, 3_500_000, shape)


@pytest.mark.parametrize(
    ("shape", "expected_input", "expected_output"),
    [
        (plain_text, "Still?", "Yes."),
        (named_members, {"user": "Still?"}, {"assistant": "Yes."}),
        (langchain_message, {"input": "Still?"}, {"output": {"content": "Yes.", "type": "ai"}}),
        (
            openai_chat,
            {
                "messages": [
                    {"role": "system", "content": "The topic: Naps"},
                    {"role": "user", "content": "How are you?"},
                    {"role": "assistant", "content": "Tired."},
                    {"role": "user", "content": "Still?"},
                ]
            },
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}]},
        ),
    ],
)
def test_a_turn_takes_the_shape_of_an_integration(
    shape: Shape, expected_input: object, expected_output: object
) -> None:
    assert shape(CONVERSATION, 1) == (expected_input, expected_output)


@pytest.mark.parametrize("shape", [plain_text, named_members, langchain_message, openai_chat])
def test_a_question_that_nobody_answered_has_no_output_and_no_end(shape: Shape) -> None:
    body = logged(2, shape).completed()
    assert {"output", "end_time"}.isdisjoint(body)
    assert body["thread_id"] == "thread-1"


def test_the_copy_of_a_running_trace_knows_neither_end_nor_output_nor_thread_and_is_older() -> None:
    started, completed = logged(0).started(), logged(0).completed()
    assert completed.keys() - started.keys() == {"end_time", "output", "thread_id"}
    assert started["last_updated_at"] < completed["last_updated_at"]
    assert {name: completed[name] for name in started if name != "last_updated_at"} == {
        name: value for name, value in started.items() if name != "last_updated_at"
    }


def test_an_ending_carries_no_version_and_no_start() -> None:
    assert logged(0).ended() == {
        "project_name": "demo",
        "thread_id": "thread-1",
        "end_time": "1970-01-01T00:00:03.500000Z",
        "output": "Tired.",
    }


def test_a_span_counts_tokens_that_add_up_and_says_who_answered() -> None:
    span = logged(0).llm_span("Tired.")
    assert span["usage"] == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    assert (span["type"], span["model"], span["provider"]) == ("llm", "human", "chitchat")
    assert (span["id"], span["trace_id"]) == ("span-1", "trace-1")


def test_ratings_become_scores_of_the_thread_or_of_a_trace() -> None:
    score = {"project_name": "demo", "name": "witty", "value": 7.0, "source": "sdk"}
    assert score_bodies(CONVERSATION, "demo", None) == [{"thread_id": "thread-1", **score}]
    assert score_bodies(CONVERSATION, "demo", "trace-1") == [{"id": "trace-1", **score}]


def test_times_are_written_with_microseconds_and_a_z() -> None:
    assert iso_time(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
