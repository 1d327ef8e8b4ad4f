"""Every thread field with every operator, against a second reading of the rules in Python."""

import itertools
import operator
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.query import filters
from pipeline.query.filters import OPERATORS, Filter
from pipeline.query.statement import Scope, Statement
from pipeline.query.thread_fields import FIELDS
from pipeline.query.threads import chosen, source_of
from pipeline.query.times import iso, parse_us
from tests.support.reading import Reads
from tests.support.stored import SECOND_US, Log

THREADS = "/v1/private/traces/threads"
Case = tuple[str, str, str, str]
"""Field, operator, key and value of a filter."""
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def on_text(given: str, value: str, op: str) -> bool:
    match op:
        case "contains":
            return value in given
        case "not_contains":
            return value not in given
        case "starts_with":
            return given.startswith(value)
        case "ends_with":
            return given.endswith(value)
    return COMPARE[op](given, value)


def on_list(given: list[str], value: str, op: str) -> bool:
    match op:
        case "=":
            return value in given
        case "!=":
            return value not in given
        case "contains":
            return any(value.lower() in tag.lower() for tag in given)
        case "not_contains":
            return not any(value.lower() in tag.lower() for tag in given)
    return (not given) == (op == "is_empty")


def on_score(scores: list[dict[str, Any]], key: str, value: str, op: str) -> bool:
    given = [score["value"] for score in scores if score["name"].lower() == key.lower()]
    if op in {"is_empty", "is_not_empty"}:
        return (not given) == (op == "is_empty")
    return any(COMPARE[op](score, float(value)) for score in given)


def text_of(message: Any) -> str:
    return "" if message is None else f'"{message}"' if isinstance(message, str) else str(message)


def holds(row: dict[str, Any], field: str, op: str, key: str, value: str) -> bool:  # noqa: PLR0911 - a table
    given = row.get({"thread_id": "id"}.get(field, field))
    match FIELDS[field].kind:
        case "exact":
            return on_text(given or "", value, op)
        case "text":
            return on_text(text_of(given).lower(), value.lower(), op)
        case "number":
            return given is not None and COMPARE[op](given, float(value))
        case "time":
            return given is not None and COMPARE[op](parse_us(given), parse_us(value))
        case "choice":
            among = value.split(",") if op in {"in", "not_in"} else [value]
            return ((given or "") in among) == (op in {"=", "in"})
        case "list":
            return on_list(given or [], value, op)
        case "score":
            return on_score(row.get("feedback_scores", []), key, value, op)
    raise AssertionError(field)


VALUES: dict[str, tuple[str, ...]] = {
    "exact": ("t-1", "T-1", "t-", "100%_x", "_", "%", "\\", "t-10"),
    "text": ("refund", "REFUND", '"', "%", "ü", "end of it"),
    "number": ("2", "4", "500", "1500.5", "0"),
    "time": (iso(1_760_000_003_000_000), iso(1_760_000_009_500_000)),
    "choice": ("active", "inactive", "prod", "sdk", "prod,dev", "active,inactive"),
    "list": ("vip", "VI", "", "e"),
    "score": ("0.5", "1", "-3"),
}


@pytest.fixture
async def stored(log: Log, writer: ClickHouse) -> Log:
    chance = random.Random(7)
    messages = ["where is my refund", "REFUNDS, please", "100% ü", "", "x" * 3000 + " refund at the end of it", None]
    names = [f"t-{number}" for number in range(12)] + ["T-1", "100%_x", "a\\b", "a_b"]
    for number in range(40):
        thread = names[number % len(names)]
        optional = {name: text for name in ("input", "output") if (text := chance.choice(messages)) is not None}
        end = chance.choice([None, log.now_us + chance.choice([500_000, 1_500_500])])
        log.trace(thread, end_time_us=end, **optional, environment=chance.choice(["prod", "dev", None]), source="sdk")
    for number, thread in enumerate(names):
        model = log.model(thread)
        log.opened(thread, number)
        if number % 3 == 0:
            log.closed(thread, number, log.offset)
        if number % 4 == 0:
            log.score("thread", model, "Quality", chance.choice(["0.5", "1", "-3"]), source="online_scoring")
            log.score("thread", model, "Quality", "0.5", source="online_scoring", author="second")
        if number % 5 == 0:
            log.score("thread", model, "other score", "1", source="sdk")
            log.score("thread", model, "Quality", None, author="second", version_us=log.now_us + SECOND_US)
        if number % 2:
            log.annotate("thread", model, "tags", tags_added=chance.choice([("vip",), ("vip", "refund"), ("Vietnam",)]))
    await log.store(writer)
    return log


def cases(field: str) -> Iterable[Case]:
    kind = FIELDS[field].kind
    values = VALUES[kind]
    keys = ("quality", "other score", "unheard of") if kind == "score" else ("",)
    for op, value, key in itertools.product(sorted(OPERATORS[kind]), values, keys):
        if op.startswith("is_") and value != values[0]:
            continue
        yield field, op, key, value


def asked(case: Case) -> Filter:
    field, op, key, value = case
    return Filter(field, op, value, key)


class Conditions(Statement):
    """Takes the conditions of filters aside, one each; what else they need goes to the statement they will stand in."""

    def __init__(self, statement: Statement) -> None:
        super().__init__({}, {})
        self.bind = statement.bind  # type: ignore[method-assign]
        self.add = statement.add  # type: ignore[method-assign]
        self.said: list[str] = []

    def where(self, *conditions: str) -> Self:
        self.said.extend(conditions)
        return self


async def found_by(case: Case, stored: Log, writer: ClickHouse) -> set[str]:
    """Return what a filter selects, in a query of its own, as a request asks it."""
    statement = chosen(Scope(stored.workspace, stored.project), [asked(case)], None, lenient=False)
    sql = statement.text("SELECT thread_id FROM " + source_of(statement))  # noqa: S608 - a part of ours
    return {row["thread_id"] for row in await writer.rows(sql, statement.parameters(sql))}


async def found_by_each(among: Sequence[Case], stored: Log, writer: ClickHouse) -> list[set[str]]:
    """Return what each filter selects, all asked in one query: it would be analysed for each of them, and longer."""
    statement = chosen(Scope(stored.workspace, stored.project), [], None, lenient=False)
    conditions = Conditions(statement)
    for case in among:
        filters.apply([asked(case)], FIELDS, conditions)
    columns = ", ".join(f"if({condition}, 1, 0)" for condition in conditions.said)
    sql = statement.text(f"SELECT thread_id, [{columns}] AS held FROM reviewed")  # noqa: S608 - values are bound
    rows = await writer.rows(sql, statement.parameters(sql))
    return [{row["thread_id"] for row in rows if row["held"][number]} for number in range(len(among))]


async def test_every_field_and_operator_selects_what_its_rule_says(
    stored: Log, reads: Reads, writer: ClickHouse
) -> None:
    everything = (await reads.get(THREADS, project_id=str(stored.project), size=1000)).json["content"]
    assert len(everything) == 16
    selected = 0
    for field in FIELDS:
        among = list(cases(field))
        for case, found in zip(among, await found_by_each(among, stored, writer), strict=True):
            assert found == {row["id"] for row in everything if holds(row, *case)}, case
            selected += 0 < len(found) < len(everything)
    assert selected > 100, "the data must tell the operators apart"


async def test_a_filter_alone_selects_what_its_rule_says(stored: Log, reads: Reads, writer: ClickHouse) -> None:
    everything = (await reads.get(THREADS, project_id=str(stored.project), size=1000)).json["content"]
    for field in FIELDS:
        case = next(iter(cases(field)))
        assert await found_by(case, stored, writer) == {row["id"] for row in everything if holds(row, *case)}, case


async def test_filters_are_all_to_hold(stored: Log, reads: Reads) -> None:
    filters = [
        {"field": "status", "operator": "=", "value": "inactive"},
        {"field": "thread_id", "operator": "starts_with", "value": "t-"},
        {"field": "feedback_scores", "operator": "is_not_empty", "key": "quality", "value": ""},
    ]

    lines = (await reads.post(f"{THREADS}/search", {"project_id": str(stored.project), "filters": filters})).lines

    assert {line["id"] for line in lines} == {"t-0"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"field": "colour", "operator": "=", "value": "x"}, "colour"),
        ({"field": "duration", "operator": "contains", "value": "x"}, "contains"),
        ({"field": "duration", "operator": ">", "value": "long"}, "long"),
        ({"field": "start_time", "operator": ">", "value": "yesterday"}, "yesterday"),
        ({"field": "feedback_scores", "operator": ">", "value": "1"}, "key"),
        ({"field": "colour", "operator": "contains", "value": "x"}, "colour"),
    ],
)
async def test_what_is_wrong_with_a_filter_is_named(reads: Reads, given: dict[str, str], named: str) -> None:
    for answer in (
        await reads.get(THREADS, project_name="p", filters=[given]),
        await reads.post(f"{THREADS}/search", {"project_name": "p", "filters": [given]}),
    ):
        assert answer.status == 400
        assert named in answer.json["errors"][0]
