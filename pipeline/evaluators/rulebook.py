"""The rules in the form in which they are applied: compiled when they change, looked up by project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import InvalidSettings, Malformed
from pipeline.evaluators.conditions import Condition, all_of
from pipeline.evaluators.evaluator import Evaluator
from pipeline.evaluators.registry import Registry
from pipeline.evaluators.sampling import is_sampled
from pipeline.events.rules import Rule

_LOG: Final = logger(__name__)


class Appointed(NamedTuple):
    """An evaluator of a rule. `kind` is its name, `author` who gives its scores, `origin` its rule and version."""

    kind: str
    author: str
    origin: str
    evaluator: Evaluator


@dataclass(frozen=True, slots=True)
class Plan:
    """What one rule does with a thread."""

    rule_id: UUID | None
    sampling_rate: float
    condition: Condition
    appointed: Sequence[Appointed]

    def samples(self, thread_model_id: UUID) -> bool:
        """Tell whether the rule takes that thread, as far as chance decides."""
        return self.rule_id is None or is_sampled(self.rule_id, thread_model_id, self.sampling_rate)


class Rules(Protocol):
    """Where the rules come from: `adapters.kafka.rules.RuleLog`."""

    def of_project(self, workspace: str, project_id: UUID) -> Sequence[Rule]:
        """Return the rules of a project, disabled ones too."""


class RuleBook:
    """Compiles rules, each state of one once. A rule that cannot be applied is left out and says so in the log."""

    def __init__(self, rules: Rules, registry: Registry, *, default_evaluators: str) -> None:
        self._rules: Final = rules
        self._registry: Final = registry
        self._compiled: Final[dict[UUID, tuple[int, Plan | None]]] = {}
        self._default: Final = self._default_plans(default_evaluators)

    def plans_of(self, workspace: str, project_id: UUID, thread_model_id: UUID) -> list[Plan]:
        """Return what is to be done with a thread that closes now; the default where its project has no rules."""
        rules = self._rules.of_project(workspace, project_id)
        if not rules:
            return list(self._default)
        plans = [plan for rule in rules if rule.enabled and (plan := self._plan(rule)) is not None]
        return [plan for plan in plans if plan.samples(thread_model_id)]

    def _plan(self, rule: Rule) -> Plan | None:
        known = self._compiled.get(rule.id)
        if known is not None and known[0] == rule.version_us:
            return known[1]
        try:
            plan = self._compile(rule)
        except Malformed as error:
            plan = None
            metrics.EVALUATORS_RULES_REFUSED.inc()
            _LOG.error("a rule cannot be applied", rule=str(rule.id), rule_name=rule.name, reason=error.reason)
        self._compiled[rule.id] = (rule.version_us, plan)
        return plan

    def _compile(self, rule: Rule) -> Plan:
        appointed = []
        for wanted in rule.evaluators:
            evaluator = self._registry.build(wanted.evaluator, wanted.parameters)
            origin = f"{rule.id}/{wanted.called}/{evaluator.version}"
            appointed.append(Appointed(wanted.evaluator, f"{rule.name}/{wanted.called}", origin, evaluator))
        return Plan(rule.id, rule.sampling_rate, all_of(rule.filters), appointed)

    def _default_plans(self, names: str) -> tuple[Plan, ...]:
        appointed = []
        for name in filter(None, (part.strip() for part in names.split(","))):
            try:
                evaluator = self._registry.build(name, _NO_PARAMETERS)
            except Malformed as error:
                raise InvalidSettings(f"THREADLINE_EVALUATE_DEFAULT_EVALUATORS: {error.reason}") from error
            appointed.append(Appointed(name, name, f"default/{name}/{evaluator.version}", evaluator))
        return (Plan(None, 1.0, all_of(()), appointed),) if appointed else ()


_NO_PARAMETERS: Final[Mapping[str, object]] = {}
