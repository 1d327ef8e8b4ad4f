import asyncio

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import ManualClock
from pipeline.query.overview import Series, Span, overview, span_of
from pipeline.query.reader import Reader, query_settings
from pipeline.query.statement import Scope
from pipeline.settings import ClickHouseSettings, QuerySettings
from tests.support.reading import Reads
from tests.support.stored import BEGAN_US, SECOND_US, Log, uuid7_at

STEP_SECONDS = 60


def figures(series: list[Series]) -> dict[str, list[float | None]]:
    return {each.name: each.values[-2:] for each in series}


async def test_what_happened_is_counted_in_the_step_in_which_it_happened(
    storage_port: int, log: Log, writer: ClickHouse
) -> None:
    trace = log.trace("talk", error_info={"exception_type": "E"})
    log.trace("talk")
    log.opened("talk", 0)
    log.score("trace", trace, "help", "0.5", project_id=log.project)
    log.closed("talk", 0, 1)
    await log.store(writer)
    clock = ManualClock(BEGAN_US + 30 * 1_000_000)
    settings = QuerySettings()

    async with ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings)) as client:
        reader = Reader(client, settings, clock)
        found = await overview(reader, clock, Scope(log.workspace, log.project), Span(1, STEP_SECONDS))

    assert len(found.starts) == 60
    assert [sum(each or 0 for each in figures(found.threads)[name]) for name in ("opened", "closed")] == [1, 1]
    assert {name: sum(each or 0 for each in values) for name, values in figures(found.traces).items()} == {
        "messages": 4, "traces": 2, "failed": 1,
    }  # fmt: skip
    assert [each for each in figures(found.scores)["help"] if each is not None] == [0.5]
    assert found.open_threads == 0
    assert figures(found.dead_letters) == {"letters": [0, 0]}
    assert [value for value in figures(found.close_delay_ms)["p50"] if value is not None] == [0.0]


async def test_a_score_counts_where_what_it_scores_lies(storage_port: int, log: Log, writer: ClickHouse) -> None:
    sales, default = Log(log.workspace, "Sales"), Log(log.workspace, "Default Project")
    sales.now_us, default.now_us = (BEGAN_US + seconds * SECOND_US for seconds in (60, 120))  # ids of their own
    here, there, nowhere = log.trace("talk"), sales.trace("talk"), default.trace(project_id=None, project_name=None)
    span_there = sales.span(here, project_id=None, project_name=None)
    sales.trace(id=span_there, name="no span: a trace may have its id")
    await asyncio.gather(*(each.store(writer) for each in (log, sales, default)))
    # By those who name no project, or only the default one; by one who names it; and by one who was before the trace.
    log.score("trace", here, "alone", "0.2")
    log.score("trace", here, "alone", "0.4", author="two", project_id=default.project)
    log.score("trace", here, "named", "1", project_id=log.project)
    log.score("trace", here, "elsewhere", "1", project_id=sales.project)
    sales.score("trace", there, "alone", "0.9")
    default.score("trace", nowhere, "alone", "0.7")
    default.score("trace", uuid7_at(default.now_us, 99), "early", "0.6", project_id=default.project)
    default.score("trace", uuid7_at(default.now_us, 98), "early", "0.1")
    sales.score("span", sales.span(there), "of span", "0.8")
    default.score("span", span_there, "of span", "0.5")
    await asyncio.gather(*(each.store(writer) for each in (log, sales, default)))

    clock, settings = ManualClock(BEGAN_US + 300 * SECOND_US), QuerySettings()

    async def scores_in(project: Log) -> dict[str, list[float]]:
        async with ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings)) as client:
            scope = Scope(project.workspace, project.project)
            found = await overview(Reader(client, settings, clock), clock, scope, Span(1, 3600))
        return {each.name: [value for value in each.values if value is not None] for each in found.scores}

    assert await scores_in(log) == {"alone": [0.3], "named": [1.0]}
    assert await scores_in(sales) == {"alone": [0.9], "elsewhere": [1.0], "of span": [0.8]}
    assert await scores_in(default) == {"alone": [0.7], "early": [0.6], "of span": [0.5]}

    # The trace moves, and what names no project moves with it.
    log.trace(id=here, event="patch", project_id=sales.project, project_name="Sales")
    await log.store(writer)
    assert await scores_in(log) == {"named": [1.0]}
    assert (await scores_in(sales))["alone"] == [0.5]


async def test_a_project_without_events_has_steps_without_anything(reads: Reads, log: Log) -> None:
    answer = await reads.get(f"/v1/private/projects/{log.project}/overview", hours="24")

    assert answer.status == 200
    assert answer.json["step_seconds"] == 3600
    assert answer.json["threads"][0]["values"] == [0] * 24
    assert answer.json["close_delay_ms"][0]["values"] == [None] * 24
    assert answer.json["scores"] == []


async def test_how_far_back_is_bounded(reads: Reads, log: Log) -> None:
    for hours in ("0", "745", "x", "9999999999999"):
        assert (await reads.get(f"/v1/private/projects/{log.project}/overview", hours=hours)).status == 400


def test_a_chart_has_a_bounded_number_of_steps() -> None:
    cases: dict[str | None, Span] = {None: Span(24, 3600), "1": Span(1, 60), "168": Span(168, 4 * 3600)}
    for hours, expected in cases.items():
        assert span_of(hours) == expected
