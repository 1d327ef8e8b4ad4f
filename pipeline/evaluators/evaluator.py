"""What an evaluator is: a transcript in, scores out.

A package brings its own by an entry point of the group `threadline.evaluators`: a name, and a subclass of `Evaluator`
(or a function) that takes the parameters of the rule. A rule then asks for it by that name.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from pipeline.errors import Malformed
from pipeline.evaluators.transcript import Transcript

ParametersT = TypeVar("ParametersT", bound=msgspec.Struct)


class Verdict(NamedTuple):
    """One score: its name, its value (nine decimal places are kept) and, in words, why."""

    name: str
    value: float
    reason: str | None = None


class Evaluator(ABC):
    """Judges closed threads.

    `version` must change when the same transcript may get another score. `asks_outside`: it waits for something outside
    this process, so it runs beside the others and within the time limit of `evaluator_seconds_max`, unless it
    `limits_itself`. `reads_spans`: the turns of its transcripts have their spans.
    """

    version: ClassVar[str] = "1"
    asks_outside: ClassVar[bool] = False
    limits_itself: ClassVar[bool] = False
    reads_spans: ClassVar[bool] = False

    @abstractmethod
    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        """Return the scores of a thread, none where there is nothing to judge; of one name at most one.

        Raises Unevaluable, or any other error, where it cannot: the thread then goes to the dead letters with it.
        """


def parameters_of(given: Mapping[str, Any], kind: type[ParametersT]) -> ParametersT:
    """Return the parameters of a rule as `kind` declares them; raises Malformed where they are not so."""
    try:
        return msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        raise Malformed(f"parameters: {error}", field="parameters") from error
