"""A real Prometheus scrapes the processes of `threadline dev` with traffic: what alerts and dashboards ask is answered,
and alerts fire."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pipeline.local.stack import STAGES
from tests.deploy.promql import used
from tests.deploy.test_dashboards import QUERIES
from tests.support.alerting import (
    Watched,
    poison_fires,
    storage_stopped_fires,
    watched_stack,
    worker_stopped_fires,
)
from tests.support.prometheus import ALERTS, quick
from tests.support.waiting import eventually

pytestmark = [pytest.mark.promtool, pytest.mark.asyncio(loop_scope="module")]

WINDOW, WAIT, SECONDS_MAX = "5s", "1s", 90.0

RARE = {
    "threadline_evaluators_judge_budget_left_ratio",
    "threadline_evaluators_judge_calls_total",
    "threadline_evaluators_judge_tokens_total",
    "threadline_gateway_events_refused_total",
    "threadline_gateway_overloads_total",
    "threadline_sinks_dead_letters_total",
    "threadline_sinks_held_total",
    "threadline_sinks_offset_gap_records_total",
    "threadline_sinks_storage_errors_total",
    "threadline_stream_commands_refused_total",
    "threadline_stream_records_undecodable_total",
}
"""What a stack that is well has never counted: queries on it are answered with nothing."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    rules = quick(ALERTS.read_text(), window=WINDOW, wait=WAIT)
    async with watched_stack(tmp_path_factory.mktemp("watched"), rules) as found:
        yield found


async def test_every_process_is_scraped_and_every_question_answered(watched: Watched) -> None:
    await eventually(
        watched.prometheus.targets, lambda health: health == dict.fromkeys(STAGES, "up"), seconds_max=SECONDS_MAX
    )

    async def unanswered() -> set[str]:
        answers = await asyncio.gather(*(watched.prometheus.query(query) for _, _, query in QUERIES))
        return {
            f"{board}: {title}: {query}"
            for (board, title, query), series in zip(QUERIES, answers, strict=True)
            if not series and not used(query) & RARE and "ALERTS" not in query
        }

    await eventually(unanswered, lambda left: not left, seconds_max=SECONDS_MAX)

    loops = await watched.prometheus.query("count by (stage) (threadline_loop_delay_seconds_count)")
    assert {series["metric"]["stage"] for series in loops} == {"gateway", "stream", "evaluators", "sinks"}

    async def not_judged() -> list[str]:
        return [rule["name"] for rule in await watched.prometheus.rules() if rule["health"] != "ok"]

    assert len(await watched.prometheus.rules()) == ALERTS.read_text().count("expr:")
    await eventually(not_judged, lambda names: not names, seconds_max=SECONDS_MAX)


async def test_alerts_fire_when_storage_stops_when_poison_comes_and_when_the_worker_stops(watched: Watched) -> None:
    await storage_stopped_fires(watched, seconds_max=SECONDS_MAX)
    await poison_fires(watched, seconds_max=SECONDS_MAX)
    await worker_stopped_fires(watched, seconds_max=SECONDS_MAX)
