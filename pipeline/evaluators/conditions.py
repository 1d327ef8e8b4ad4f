"""Whether a closed thread meets the filters of a rule."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pipeline.errors import Malformed
from pipeline.evaluators.transcript import Transcript
from pipeline.events.rules import NUMBER_FIELDS, RuleFilter

Condition = Callable[[Transcript], bool]

_NUMBERS: Final[Mapping[str, Callable[[Transcript], float]]] = {
    "turns": lambda transcript: len(transcript.turns),
    "duration_seconds": lambda transcript: transcript.duration_seconds,
}
_TEXTS: Final[Mapping[str, Callable[[Transcript], str]]] = {
    "thread_id": lambda transcript: transcript.thread_id,
    "reason": lambda transcript: transcript.reason,
    "first_message": lambda transcript: transcript.turns[0].question if transcript.turns else "",
    "last_message": lambda transcript: transcript.turns[-1].answer if transcript.turns else "",
    "environment": lambda transcript: (transcript.turns[0].environment or "") if transcript.turns else "",
    "source": lambda transcript: (transcript.turns[0].source or "") if transcript.turns else "",
}
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_TEXT_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "contains": operator.contains,
    "not_contains": lambda text, part: part not in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


def all_of(filters: Sequence[RuleFilter]) -> Condition:
    """Return the condition that all of `filters` hold; raises Malformed for one that cannot be."""
    conditions = [_condition(wanted) for wanted in filters]
    return lambda transcript: all(holds(transcript) for holds in conditions)


def _condition(wanted: RuleFilter) -> Condition:
    if (fault := wanted.fault()) is not None:
        raise Malformed(fault, field="filters")
    if wanted.field in NUMBER_FIELDS:
        number, compare, limit = _NUMBERS[wanted.field], _COMPARISONS[wanted.operator], float(wanted.value)
        return lambda transcript: compare(number(transcript), limit)
    text, test, value = _TEXTS[wanted.field], _TEXT_TESTS[wanted.operator], wanted.value.casefold()
    return lambda transcript: test(text(transcript).casefold(), value)
