import msgspec
import pytest

from pipeline.errors import Malformed
from pipeline.evaluators.evaluator import Verdict
from pipeline.evaluators.heuristics import HEURISTICS
from pipeline.evaluators.transcript import Transcript
from tests.unit.evaluators.transcripts import of_turns, span, transcript, turn


async def judge(name: str, given: Transcript, /, **parameters: object) -> list[Verdict]:
    return list(await HEURISTICS[name](parameters).evaluate(given))  # type: ignore[call-arg]


async def test_turns_are_counted() -> None:
    assert await judge("turns", transcript(("a", "b"), ("c", None))) == [Verdict("turns", 2)]


async def test_latency_is_the_average_and_the_slowest_turn_is_named() -> None:
    given = of_turns(turn("a", "b", seconds=1.0), turn("c", "d", seconds=3.0, number=1), turn("e", None, seconds=None))

    assert await judge("answer_latency", given) == [
        Verdict("answer_latency_seconds", 2.0, "the slowest took 3 s, in turn 2")
    ]


async def test_latency_that_nobody_measured_is_no_score() -> None:
    assert await judge("answer_latency", of_turns(turn("a", "b", seconds=None))) == []


async def test_questions_without_an_answer_are_counted_and_named() -> None:
    given = transcript(("a", "b"), ("c", None), ("d", "  "), (None, None))

    assert await judge("unanswered_questions", given) == [Verdict("unanswered_questions", 2, "in turns 2, 3")]


async def test_repetition_is_the_share_of_messages_that_say_the_same_again() -> None:
    given = transcript(
        ("Where is my order?", "Let me look."),
        ("WHERE is my order", "It left yesterday."),
        ("and the invoice", "let me look"),
    )

    assert await judge("repetition", given) == [Verdict("repetition", 2 / 6, "in turns 2, 3")]


async def test_a_message_is_compared_with_those_of_its_own_side_within_the_window() -> None:
    given = transcript(("hello there", "hello there"), ("a b", "c d"), ("hello there", "e f"))

    assert (await judge("repetition", given))[0].value == 1 / 6
    assert (await judge("repetition", given, window=1))[0].value == 0


@pytest.mark.parametrize(
    ("answer", "refusals", "apologies"),
    [
        ("I'm sorry, but I can't help with that.", 1, 1),
        ("I cannot provide that.", 1, 0),
        ("As an AI I have no opinion", 1, 0),
        ("We are very sorry for the delay", 0, 1),
        ("I apologise", 0, 1),
        ("You can't miss it: I can help with that", 0, 0),
        ("Es tut mir leid", 0, 0),
    ],
)
async def test_refusals_and_apologies_are_known_by_their_words(answer: str, refusals: int, apologies: int) -> None:
    found = await judge("refusals_and_apologies", transcript(("please", answer)))

    assert [(verdict.name, verdict.value) for verdict in found] == [("refusals", refusals), ("apologies", apologies)]


async def test_a_rule_may_add_words_of_its_language() -> None:
    found = await judge("refusals_and_apologies", transcript(("bitte", "Es tut mir leid!")), apologies=["tut mir leid"])

    assert found[1] == Verdict("apologies", 1, "in turn 1")


@pytest.mark.parametrize(("said_by", "value"), [("user", 0.0), ("assistant", 1.0), ("anyone", 1.0)])
async def test_goal_words_are_whole_words_of_those_who_count(said_by: str, value: float) -> None:
    given = transcript(("unbooked", "It is Booked now"))
    [verdict] = await judge("goal_words", given, words=["booked", "paid"], said_by=said_by, name="goal")

    assert (verdict.name, verdict.value) == ("goal", value)


async def test_steps_are_counted_and_failed_ones_named() -> None:
    with_spans = msgspec.structs.replace(turn("a", "b"), spans=(span("search"), span("pay", error="{}")))

    assert await judge("steps", of_turns(turn("c", "d"), with_spans)) == [
        Verdict("steps", 2), Verdict("failed_steps", 1, "pay in turn 2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("turns", {"x": 1}), ("goal_words", {}), ("goal_words", {"words": []}), ("repetition", {"window": 0})],
)
def test_parameters_that_cannot_be_are_refused(name: str, parameters: dict[str, object]) -> None:
    with pytest.raises(Malformed, match="parameters"):
        HEURISTICS[name](parameters)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", sorted(HEURISTICS))
async def test_a_thread_in_which_nothing_was_said_is_judged_as_well(name: str) -> None:
    parameters = {"words": ["x"]} if name == "goal_words" else {}
    for verdict in await judge(name, of_turns(turn(None, None, seconds=None)), **parameters):
        assert verdict.value in {0, 1}
