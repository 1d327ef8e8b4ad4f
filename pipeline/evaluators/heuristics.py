"""Evaluators that need no model: they count what can be counted, in well under a millisecond a thread."""

import re
import string
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from pipeline.evaluators.evaluator import Evaluator, Verdict, parameters_of
from pipeline.evaluators.transcript import Transcript

REPEATED_SHARE: Final = 0.9
"""Messages that share this much of their words are the same message, said again (Jaccard's index)."""
SHOWN_MAX: Final = 10
"""Most turns that a reason names."""
_MARKS: Final = str.maketrans(
    dict.fromkeys(
        # ASCII's, then typographic quotes and dots, Spanish and East Asian marks.
        string.punctuation + "\u2026\u2018\u2019\u201c\u201d\u201e\xab\xbb\xbf\xa1\u3002\u3001\uff01\uff0c\uff1f",
        " ",
    )
)
_APOLOGY: Final = re.compile(
    r"\b(?:i\s+apologi[sz]e|my\s+apologies|apologies\s+for|(?:i'?m|i\s+am|we'?re|we\s+are)\s+(?:\w+\s+)?sorry|sorry\b)",
    re.IGNORECASE,
)
_REFUSAL: Final = re.compile(
    r"\b(?:i|we)\s*(?:'m|\s+am|'re|\s+are)?\s*(?:can(?:'|\u2019)?t|cannot|can\s+not|won(?:'|\u2019)?t|will\s+not|unable\s+to"
    r"|not\s+able\s+to|not\s+allowed\s+to)\s+(?:\w+\s+)?(?:help|assist|answer|provide|do\s+that|comply|discuss|fulfil"
    r"|share|support)|\bas\s+an\s+ai\b|\bi\s+must\s+decline\b",
    re.IGNORECASE,
)

_APOLOGY_HINTS: Final = ("apolog", "sorry")
_REFUSAL_HINTS: Final = ("n't", "n\u2019t", "not", "unable", "cant", "wont", "as an ai", "decline")
"""One of these is in whatever the pattern finds; looking for them is many times faster."""

Words = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=1000)]


class _NoParameters(msgspec.Struct, forbid_unknown_fields=True):
    """What an evaluator takes that takes nothing."""


class _Window(msgspec.Struct, forbid_unknown_fields=True):
    """How many earlier messages are compared with each."""

    window: Annotated[int, Meta(ge=1, le=100)] = 10


class _Phrases(msgspec.Struct, forbid_unknown_fields=True):
    """More words that count, beside the English ones that are known."""

    refusals: list[str] = []
    apologies: list[str] = []


class _Goal(msgspec.Struct, forbid_unknown_fields=True):
    """The words of which one says that the goal is reached, who must say it, and the name of the score."""

    words: Words
    said_by: Literal["user", "assistant", "anyone"] = "anyone"
    name: Annotated[str, Meta(min_length=1, max_length=150)] = "goal_words"


class Turns(Evaluator):
    """`turns`: how many turns the thread has."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        parameters_of(parameters, _NoParameters)

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return one score."""
        return [Verdict("turns", len(transcript.turns))]


class AnswerLatency(Evaluator):
    """`answer_latency_seconds`: how long answers took on average; none where no turn says when it began and ended."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        parameters_of(parameters, _NoParameters)

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return one score, or none."""
        timed = [
            (seconds, number)
            for number, turn in enumerate(transcript.turns, 1)
            if (seconds := turn.latency_seconds) is not None
        ]
        if not timed:
            return []
        slowest, number = max(timed)
        mean = sum(seconds for seconds, _ in timed) / len(timed)
        return [Verdict("answer_latency_seconds", mean, f"the slowest took {slowest:.3g} s, in turn {number}")]


class UnansweredQuestions(Evaluator):
    """`unanswered_questions`: turns in which the user said something and nobody answered."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        parameters_of(parameters, _NoParameters)

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return one score."""
        found = [number for number, turn in enumerate(transcript.turns, 1) if turn.question and not turn.answer]
        return [Verdict("unanswered_questions", len(found), _in_turns(found))]


class Repetition(Evaluator):
    """`repetition`: the share of messages, 0 to 1, that say again what the same side has said shortly before."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._window: Final = parameters_of(parameters, _Window).window

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return one score."""
        turns = transcript.turns
        questions, questions_again = self._again([turn.question for turn in turns])
        answers, answers_again = self._again([turn.answer for turn in turns])
        messages, again = questions + answers, len(questions_again) + len(answers_again)
        share = again / messages if messages else 0.0
        return [Verdict("repetition", share, _in_turns(sorted({*questions_again, *answers_again})))]

    def _again(self, texts: Sequence[str]) -> tuple[int, list[int]]:
        """Return how many messages one side has, and in which turns it says again what it has said before."""
        said = [
            (number, frozenset(text.lower().translate(_MARKS).split())) for number, text in enumerate(texts, 1) if text
        ]
        again = [
            number
            for place, (number, mine) in enumerate(said)
            if any(_is_same(mine, earlier) for _, earlier in said[max(0, place - self._window) : place])
        ]
        return len(said), again


class RefusalsAndApologies(Evaluator):
    """`refusals` and `apologies`: answers that decline, and answers that say sorry. English, and what a rule adds."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        more = parameters_of(parameters, _Phrases)
        self._kinds: Final = (
            ("refusals", _REFUSAL_HINTS, _REFUSAL, _any_of(more.refusals)),
            ("apologies", _APOLOGY_HINTS, _APOLOGY, _any_of(more.apologies)),
        )

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return two scores."""
        answers = [(number, turn.answer.lower()) for number, turn in enumerate(transcript.turns, 1) if turn.answer]
        verdicts = []
        for name, hints, known, more in self._kinds:
            found = [
                number
                for number, answer in answers
                if (any(hint in answer for hint in hints) and known.search(answer))
                or (more is not None and more.search(answer))
            ]
            verdicts.append(Verdict(name, len(found), _in_turns(found)))
        return verdicts


class GoalWords(Evaluator):
    """`goal_words`, or what the rule calls it: 1 where one of the rule's words was said, else 0."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        goal = parameters_of(parameters, _Goal)
        self._name: Final = goal.name
        self._sides: Final = {"user": ("question",), "assistant": ("answer",), "anyone": ("question", "answer")}[
            goal.said_by
        ]
        self._pattern: Final = re.compile(_alternatives(goal.words), re.IGNORECASE)

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return one score."""
        for number, turn in enumerate(transcript.turns, 1):
            for side in self._sides:
                if found := self._pattern.search(getattr(turn, side)):
                    return [Verdict(self._name, 1, f"{found[0]!r} in turn {number}")]
        return [Verdict(self._name, 0)]


class Steps(Evaluator):
    """`steps` and `failed_steps`: how many spans the turns have, and how many of them ended with an error."""

    reads_spans = True

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        parameters_of(parameters, _NoParameters)

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return two scores."""
        failed = [
            (number, span.name or "?")
            for number, turn in enumerate(transcript.turns, 1)
            for span in turn.spans
            if span.error is not None
        ]
        shown = ", ".join(f"{name} in turn {number}" for number, name in failed[:SHOWN_MAX]) or None
        return [
            Verdict("steps", sum(len(turn.spans) for turn in transcript.turns)),
            Verdict("failed_steps", len(failed), shown),
        ]


def _alternatives(words: Sequence[str]) -> str:
    """Return the pattern of any of `words`, each as a whole word."""
    return "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words)


def _any_of(words: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile(_alternatives(words), re.IGNORECASE) if words else None


def _is_same(one: frozenset[str], other: frozenset[str]) -> bool:
    fewer, more = sorted((len(one), len(other)))
    if not one or fewer < REPEATED_SHARE * more:
        return False
    shared = len(one & other)
    return shared >= REPEATED_SHARE * (fewer + more - shared)


def _in_turns(numbers: Sequence[int]) -> str | None:
    """Return where something was found, in words."""
    if not numbers:
        return None
    shown = ", ".join(map(str, numbers[:SHOWN_MAX]))
    return f"in turn{'s' if len(numbers) > 1 else ''} {shown}{', ...' if len(numbers) > SHOWN_MAX else ''}"


HEURISTICS: Final[Mapping[str, type[Evaluator]]] = {
    "turns": Turns,
    "answer_latency": AnswerLatency,
    "unanswered_questions": UnansweredQuestions,
    "repetition": Repetition,
    "refusals_and_apologies": RefusalsAndApologies,
    "goal_words": GoalWords,
    "steps": Steps,
}
