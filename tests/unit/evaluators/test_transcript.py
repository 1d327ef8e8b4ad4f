import pytest

from pipeline.evaluators.transcript import Side, words
from tests.unit.evaluators.transcripts import of_turns, transcript, turn


@pytest.mark.parametrize(
    ("text", "side", "expected"),
    [
        ('"hello"', "user", "hello"),
        ("not json ", "user", "not json"),
        ('{"user":" hello "}', "user", "hello"),
        ('{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"}]}', "user", "q"),
        ('{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}', "assistant", "a"),
        ('{"choices":[{"message":{"role":"assistant","content":"yes"}}]}', "assistant", "yes"),
        ('{"candidates":[{"content":{"role":"model","parts":[{"text":"a"},{"text":"b"}]}}]}', "assistant", "a\nb"),
        ('[{"type":"human","content":[{"type":"text","text":"q"}]}]', "user", "q"),
        ('{"messages":[{"role":"user","parts":[{"type":"text","content":"q"}]}]}', "user", "q"),
        (
            '[{"role":"ai","parts":[{"type":"reasoning","content":"x"},{"type":"text","content":"a"},{"type":"tool_call"}]}]',
            "assistant",
            "a",
        ),
        ('{"only":{"answer":"deep"}}', "assistant", "deep"),
        ('{"a":1,"b":2}', "user", ""),
        ("null", "user", ""),
        ("[1,2]", "assistant", ""),
        (None, "user", ""),
        ("[" * 20 + "]" * 20, "user", ""),
    ],
)  # fmt: skip
def test_the_words_of_a_message_are_found_in_every_shape(text: str | None, side: Side, expected: str) -> None:
    assert words(text, side) == expected


def test_a_thread_lasts_from_its_first_beginning_to_its_last_end() -> None:
    given = of_turns(turn("a", "b", number=0), turn("c", "d", seconds=None, number=1), turn("e", "f", number=2))

    assert given.duration_seconds == 122.0
    assert of_turns(turn("a", None, seconds=None)).duration_seconds == 0.0


def test_a_turn_knows_what_was_said_and_how_long_it_took() -> None:
    [only] = transcript(("why?", "because")).turns

    assert (only.question, only.answer, only.latency_seconds) == ("why?", "because", 2.0)
    assert turn("a", "b", seconds=-1).latency_seconds is None
