"""A rule of online evaluation: which threads of a project are evaluated, by what.

Rules stand in the compacted topic `rules`, the latest of each key counts; a record without a value deletes the rule.
"""

from math import isfinite
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from pipeline.events.envelope import Record, headers_of

FilterField = Literal[
    "thread_id", "reason", "turns", "duration_seconds", "first_message", "last_message", "environment", "source",
]  # fmt: skip
FilterOperator = Literal[
    "=", "!=", ">", ">=", "<", "<=", "contains", "not_contains", "starts_with", "ends_with",
]  # fmt: skip
NUMBER_FIELDS: Final[frozenset[str]] = frozenset({"turns", "duration_seconds"})
NUMBER_OPERATORS: Final[frozenset[str]] = frozenset({"=", "!=", ">", ">=", "<", "<="})
TEXT_OPERATORS: Final[frozenset[str]] = frozenset({"=", "!=", "contains", "not_contains", "starts_with", "ends_with"})

_SEPARATOR: Final = "\t"


class RuleFilter(msgspec.Struct, frozen=True):
    """A condition on a closed thread. Texts compare without regard to case; `reason` is why the session was closed."""

    field: FilterField
    operator: FilterOperator
    value: str

    def fault(self) -> str | None:
        """Return why the condition cannot be, None where it can."""
        if self.field not in NUMBER_FIELDS:
            return (
                None if self.operator in TEXT_OPERATORS else f"{self.field} is a text: {self.operator} is for numbers"
            )
        if self.operator not in NUMBER_OPERATORS:
            return f"{self.field} is a number: {self.operator} is for texts"
        try:
            is_number = isfinite(float(self.value))
        except ValueError:
            is_number = False
        return None if is_number else f"{self.field} is a number, {self.value[:40]!r} is none"


class RuleEvaluator(msgspec.Struct, frozen=True, omit_defaults=True):
    """One evaluator that a rule asks for; `label` tells apart two of one kind, and is the kind's name by default."""

    evaluator: str
    label: str | None = None
    parameters: dict[str, Any] = {}

    @property
    def called(self) -> str:
        """The name that its scores are given under."""
        return self.label or self.evaluator


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to become of the threads of one project when they close.

    `sampling_rate` is the share of threads, 0 to 1; the same thread is always in it or never. All `filters` must hold.
    `version_us` is the time of the request that made this state, in microseconds since 1970 UTC.
    """

    id: UUID
    workspace: str
    project_id: UUID
    name: str
    enabled: bool = True
    sampling_rate: float = 1.0
    filters: tuple[RuleFilter, ...] = ()
    evaluators: tuple[RuleEvaluator, ...] = ()
    project_name: str | None = None
    created_at_us: int
    version_us: int

    def record(self) -> Record:
        """Return the record for the topic `rules`."""
        return Record(rule_key(self.workspace, self.id), msgspec.json.encode(self), headers_of("rule"))


def rule_key(workspace: str, rule_id: UUID) -> bytes:
    """Return the Kafka key of a rule: workspace and id, joined by a tab."""
    return f"{workspace}{_SEPARATOR}{rule_id}".encode()


def rule_deletion(workspace: str, rule_id: UUID) -> Record:
    """Return the record that deletes a rule from the topic `rules`."""
    return Record(rule_key(workspace, rule_id), None, headers_of("rule"))


RULE_DECODER = msgspec.json.Decoder(Rule)
