from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from pipeline.errors import Undecodable
from pipeline.local import conversations
from pipeline.local.conversations import Conversation, Rating, Turn, parse_dialogue, read_chatterbot, read_chitchat


def dialogue(*messages: tuple[str, str, int], **other: Any) -> bytes:
    """Write (sender, text, second of the minute) as an entry of the file, each message in a group of its own."""
    groups = [
        [{"text": text, "sender": sender, "timestamp": f"2018-05-02T19:38:{second:02}Z"}]
        for sender, text, second in messages
    ]
    return orjson.dumps({"messages": groups, "start": "2018-05-03T01:38:15Z", **other})


@pytest.fixture(scope="module")
def everything() -> Sequence[Conversation]:
    return list(read_chitchat())


def test_consecutive_messages_of_one_speaker_are_one_group_timed_by_its_last_message() -> None:
    found = parse_dialogue(
        "t", dialogue(("a", "Hello", 0), ("a", "How are you?", 5), ("b", "Hi", 9), ("b", "Fine", 13))
    )
    assert found.turns == (Turn("Hello\nHow are you?", "Hi\nFine", 5.0, 13.0),)


def test_a_trailing_group_is_a_question_without_an_answer() -> None:
    found = parse_dialogue("t", dialogue(("a", "one", 0), ("b", "two", 3), ("a", "three", 10)))
    assert found.turns[1:] == (Turn("three", None, 10.0, None),)
    assert found.turns[1].active_at_seconds == 10.0


def test_a_blank_message_is_no_message_and_does_not_divide_its_neighbours() -> None:
    found = parse_dialogue(
        "t", dialogue(("b", " ", 0), ("a", "one", 2), ("b", "\t", 4), ("a", "more", 6), ("b", "two", 8))
    )
    assert found.turns == (Turn("one\nmore", "two", 4.0, 6.0),)
    assert found.began_at is not None
    assert found.began_at.second == 2


def test_a_dialogue_of_blanks_has_no_turns() -> None:
    assert parse_dialogue("t", dialogue(("a", " ", 0))).turns == ()


def test_ratings_keep_their_names_and_values() -> None:
    found = parse_dialogue("t", dialogue(("a", "one", 0), ratings={"witty": 7, "upbeat": 10}, prompt="Why?"))
    assert found.ratings == (Rating("upbeat", 10.0), Rating("witty", 7.0))
    assert found.topic == "Why?"


@pytest.mark.parametrize(
    "content",
    [b"{}", b"nothing", dialogue(("a", "one", 9), ("b", "two", 8))],
    ids=["no messages", "no JSON", "time goes back"],
)
def test_a_dialogue_of_another_form_is_named(content: bytes) -> None:
    with pytest.raises(Undecodable, match="dialogue t"):
        parse_dialogue("t", content)


def test_every_human_dialogue_is_read(everything: Sequence[Conversation]) -> None:
    assert len({conversation.thread_id for conversation in everything}) == len(everything) == 7_168
    assert sum(len(conversation.turns) for conversation in everything) == 71_874
    assert sum(bool(conversation.ratings) for conversation in everything) == 5_988
    assert {rating.name for conversation in everything for rating in conversation.ratings} == {
        "witty",
        "upbeat",
        "interesting",
    }


def test_in_every_dialogue_time_goes_on_and_only_the_last_question_may_lack_an_answer(
    everything: Sequence[Conversation],
) -> None:
    for conversation in everything:
        assert conversation.turns
        assert all(turn.answer and turn.question.strip() for turn in conversation.turns[:-1])
        assert all(turn.asked_at_seconds <= turn.active_at_seconds for turn in conversation.turns)
        assert all(a.active_at_seconds <= b.asked_at_seconds for a, b in pairwise(conversation.turns))
        assert conversation.turns[0].asked_at_seconds >= 0


def test_a_few_hundred_dialogues_are_read_without_decoding_the_rest(everything: Sequence[Conversation]) -> None:
    with patch.object(conversations, "parse_dialogue", wraps=parse_dialogue) as parsing:
        found = list(islice(read_chitchat(), 300))
    assert found == everything[:300]
    assert 300 <= parsing.call_count < 400  # some hold nothing that was said


def test_the_corpus_is_read_as_different_pairs_with_code_and_markdown() -> None:
    corpus = list(read_chatterbot())
    pairs = [(turn.question, turn.answer) for conversation in corpus for turn in conversation.turns]
    assert len(set(pairs)) == len(pairs) == 532
    assert len({conversation.thread_id for conversation in corpus}) == len(corpus)
    assert any(answer and "```" in answer and "def bubble_sort" in answer for _, answer in pairs)
    assert ("What year was President John F. Kennedy assassinated?", "1963") in pairs


def test_each_corpus_conversation_holds_at_most_four_pairs_of_one_topic_at_a_steady_pace() -> None:
    first = next(read_chatterbot(["coding"]))
    assert (first.thread_id, first.topic, first.began_at) == ("chatterbot-coding-001", "coding", None)
    assert [(turn.asked_at_seconds, turn.answered_at_seconds) for turn in first.turns] == [
        (0.0, 8.0),
        (53.0, 61.0),
        (106.0, 114.0),
        (159.0, 167.0),
    ]
