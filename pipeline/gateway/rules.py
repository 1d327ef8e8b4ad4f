"""Rules of online evaluation: to make, change, delete and read them.

They are kept on the compacted topic `rules`, of which every serve process holds the latest states. A change is in force
when the evaluators have read it, a fraction of a second after the answer; threads that close from then on meet it.
What an evaluator's parameters mean only the evaluators know: a rule that they cannot apply is left out there, loudly.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from starlette.requests import Request
from starlette.responses import Response

from pipeline.adapters.web.failures import answer_json
from pipeline.errors import Conflict, Malformed, Unknown
from pipeline.events.rules import Rule, RuleEvaluator, RuleFilter, rule_deletion, rule_key
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import bounded, decoded
from pipeline.gateway.opik.values import Reception
from pipeline.topics import RULES

RULE_BYTES_MAX: Final = 256 * 1024
"""Largest rule, encoded: every process holds all of them."""
RULES_MAX: Final = 1000
"""Most rules of one workspace."""
PARTS_MAX: Final = 50
"""Most evaluators, and most filters, of one rule."""


class RuleStore(Protocol):
    """The rules as their topic has them: `adapters.kafka.rules.RuleLog`."""

    async def start(self) -> None:
        """Read all there is, then follow; raises BrokerUnavailable."""

    async def stop(self) -> None:
        """Stop reading."""

    def of_workspace(self, workspace: str) -> Sequence[Rule]:
        """Return all rules of a workspace."""

    def find(self, workspace: str, rule_id: UUID) -> Rule | None:
        """Return one rule, None where there is none of that id."""

    def put(self, key: bytes, rule: Rule | None) -> None:
        """Take a state that was just written; None where the rule was deleted."""


class RuleBody(msgspec.Struct, kw_only=True):
    """A rule to be made; without a project it is one of the default project."""

    name: str
    evaluators: tuple[RuleEvaluator, ...]
    id: UUID | None = None
    project_name: str | None = None
    project_id: UUID | None = None
    enabled: bool = True
    sampling_rate: float = 1.0
    filters: tuple[RuleFilter, ...] = ()


class RuleChange(msgspec.Struct, kw_only=True):
    """What is to be different about a rule; what is absent stays."""

    name: str | None = None
    evaluators: tuple[RuleEvaluator, ...] | None = None
    enabled: bool | None = None
    sampling_rate: float | None = None
    filters: tuple[RuleFilter, ...] | None = None


class RuleIds(msgspec.Struct):
    """Rules to be deleted."""

    ids: list[UUID]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BODY: Final = msgspec.json.Decoder(RuleBody)
_CHANGE: Final = msgspec.json.Decoder(RuleChange)
_IDS: Final = msgspec.json.Decoder(RuleIds)


def made(body: RuleBody, reception: Reception) -> Rule:
    """Return the rule that a request makes; raises Malformed where it cannot be."""
    project, name = reception.project_or_default(body.project_name, body.project_id)
    now_us = reception.clock.now_us()
    return checked(
        Rule(
            id=body.id or uuids.uuid7(),
            workspace=reception.workspace,
            project_id=project,
            project_name=name,
            name=body.name,
            enabled=body.enabled,
            sampling_rate=body.sampling_rate,
            filters=body.filters,
            evaluators=body.evaluators,
            created_at_us=now_us,
            version_us=now_us,
        ),
        name_bytes_max=reception.key_bytes_max,
    )


def changed(rule: Rule, change: RuleChange, reception: Reception) -> Rule:
    """Return the next state of `rule`; raises Malformed where it cannot be."""
    named = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
    state = msgspec.structs.replace(rule, **named, version_us=max(rule.version_us + 1, reception.clock.now_us()))
    return checked(state, name_bytes_max=reception.key_bytes_max)


def checked(rule: Rule, *, name_bytes_max: int) -> Rule:
    """Return `rule`; raises Malformed that names the field at fault."""
    if not rule.name.strip() or len(rule.name.encode()) > name_bytes_max:
        raise Malformed(f"name must have 1 to {name_bytes_max} bytes", field="name")
    if not 0 <= rule.sampling_rate <= 1:
        raise Malformed("sampling_rate must be from 0 to 1", field="sampling_rate")
    if not 0 < len(rule.evaluators) <= PARTS_MAX:
        raise Malformed(f"evaluators must have 1 to {PARTS_MAX} items", field="evaluators")
    called = [evaluator.called for evaluator in rule.evaluators]
    if not all(name.strip() for name in called) or len(set(called)) < len(called):
        raise Malformed("evaluators must have names, and labels where two have the same", field="evaluators")
    if len(rule.filters) > PARTS_MAX:
        raise Malformed(f"filters must have at most {PARTS_MAX} items", field="filters")
    for wanted in rule.filters:
        if (fault := wanted.fault()) is not None:
            raise Malformed(f"filters: {fault}", field="filters")
    return rule


class Rules:
    """The routes of rules."""

    def __init__(self, intake: Intake, store: RuleStore) -> None:
        self._intake: Final = intake
        self._store: Final = store

    async def create(self, request: Request) -> Response:
        """POST automations/evaluators: answers the rule, and where it is."""
        async with self._intake.open(request) as (body, reception):
            rule = made(decoded(_BODY, body), reception)
            if self._store.find(rule.workspace, rule.id) is not None:
                raise Conflict(f"there is a rule of that id: {rule.id}")
            if len(self._store.of_workspace(rule.workspace)) >= RULES_MAX:
                raise Conflict(f"a workspace has at most {RULES_MAX} rules")
            await self._write(rule)
        return answer_json(_shown(rule), 201, {"Location": f"{request.url.path}/{rule.id}"})

    async def update(self, request: Request) -> Response:
        """PATCH automations/evaluators/{id}: answers the rule as it is now."""
        async with self._intake.open(request) as (body, reception):
            rule = changed(self._known(request), decoded(_CHANGE, body), reception)
            await self._write(rule)
        return answer_json(_shown(rule))

    async def delete(self, request: Request) -> Response:
        """DELETE automations/evaluators/{id}: its scores stay."""
        await self._remove([self._known(request)])
        return Response(status_code=204)

    async def delete_batch(self, request: Request) -> Response:
        """POST automations/evaluators/delete: those that there are."""
        async with self._intake.open(request) as (body, reception):
            ids = decoded(_IDS, body).ids
            found = [self._store.find(reception.workspace, rule_id) for rule_id in dict.fromkeys(ids)]
            await self._remove([rule for rule in found if rule is not None])
        return Response(status_code=204)

    async def get(self, request: Request) -> Response:
        """GET automations/evaluators/{id}."""
        return answer_json(_shown(self._known(request)))

    async def find(self, request: Request) -> Response:
        """GET automations/evaluators: all of the workspace, or of one project, the newest first."""
        reception = self._intake.reception(request)
        named, given = request.query_params.get("project_name"), request.query_params.get("project_id")
        try:
            project, _ = reception.project(named, UUID(given) if given else None)
        except ValueError as error:
            raise Malformed("project_id must be a UUID", field="project_id") from error
        rules = [rule for rule in self._store.of_workspace(reception.workspace) if project in {None, rule.project_id}]
        content = [_shown(rule) for rule in sorted(rules, key=lambda rule: rule.created_at_us, reverse=True)]
        return answer_json({"page": 1, "size": len(content), "total": len(content), "content": content})

    def _known(self, request: Request) -> Rule:
        rule_id = id_in_path(request)
        rule = self._store.find(self._intake.reception(request).workspace, rule_id)
        if rule is None:
            raise Unknown(f"Rule not found: {rule_id}")
        return rule

    async def _write(self, rule: Rule) -> None:
        for other in self._store.of_workspace(rule.workspace):
            if (other.project_id, other.name) == (rule.project_id, rule.name) and other.id != rule.id:
                raise Conflict(f"the project has a rule of that name: {other.id}")  # its scores would be taken for ours
        record = bounded(rule.record(), RULE_BYTES_MAX)
        await self._intake.publisher.publish({RULES: [record]})
        self._store.put(rule_key(rule.workspace, rule.id), rule)

    async def _remove(self, rules: Sequence[Rule]) -> None:
        if not rules:
            return
        await self._intake.publisher.publish({RULES: [rule_deletion(rule.workspace, rule.id) for rule in rules]})
        for rule in rules:
            self._store.put(rule_key(rule.workspace, rule.id), None)


def _shown(rule: Rule) -> dict[str, Any]:
    """Return a rule as it is answered: every field, and times as the SDKs write them."""
    fields = {name: value for name, value in msgspec.structs.asdict(rule).items() if name != "workspace"}
    times = {"created_at": _moment(fields.pop("created_at_us")), "last_updated_at": _moment(fields.pop("version_us"))}
    return fields | times


def _moment(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)
