from pipeline.adapters.clickhouse.client import ClickHouse
from tests.support.reading import Reads
from tests.support.stored import Log

STATS = "/v1/private/traces/threads/stats"


async def test_figures_are_of_the_threads_that_match(log: Log, writer: ClickHouse, reads: Reads) -> None:
    for number in range(1, 5):
        trace = log.trace(f"t{number}", end_time_us=log.now_us + number * 1000)
        log.span(trace, usage={"total_tokens": number * 10}, total_estimated_cost="0.5")
        log.score("thread", log.model(f"t{number}"), "q", str(number), source="online_scoring")
    await log.store(writer)
    project = str(log.project)

    everything = {row["name"]: row for row in (await reads.get(STATS, project_id=project)).json["stats"]}
    assert everything["thread_count"] == {"name": "thread_count", "type": "COUNT", "value": 4}
    assert everything["duration"]["value"]["p50"] == 2.5
    assert set(everything["duration"]["value"]) == {"p50", "p90", "p99"}
    assert everything["total_estimated_cost"]["value"] == 0.5
    assert everything["usage.total_tokens"]["value"] == 25
    assert everything["feedback_scores.q"] == {"name": "feedback_scores.q", "type": "AVG", "value": 2.5}

    filters = [{"field": "id", "operator": ">", "value": "t2"}]
    some = {
        row["name"]: row["value"] for row in (await reads.get(STATS, project_id=project, filters=filters)).json["stats"]
    }
    assert (some["thread_count"], some["usage.total_tokens"], some["feedback_scores.q"]) == (2, 35, 3.5)
    searched = (await reads.get(STATS, project_id=project, search="t4")).json["stats"]
    assert searched[0]["value"] == 1


async def test_without_threads_there_is_only_their_number(reads: Reads) -> None:
    stats = (await reads.get(STATS, project_name="none")).json["stats"]
    assert stats == [{"name": "thread_count", "type": "COUNT", "value": 0}]


async def test_figures_of_traces_are_of_those_that_match(log: Log, writer: ClickHouse, reads: Reads) -> None:
    first = log.trace("t", input="q", output="a", tags_added=("x", "y"), end_time_us=log.now_us + 2000)
    second = log.trace(None, input="q", error_info={"exception_type": "E"}, end_time_us=log.now_us + 4000)
    log.span(first, usage={"total_tokens": 10}, total_estimated_cost="0.5", type="llm")
    log.span(first, usage={"total_tokens": 20}, total_estimated_cost="0.25", type="llm")
    log.score("trace", second, "q", "0.5")
    await log.store(writer)
    project = str(log.project)

    async def figures(**query: object) -> dict[str, object]:
        stats = (await reads.get("/v1/private/traces/stats", project_id=project, **query)).json["stats"]
        return {stat["name"]: stat["value"] for stat in stats}

    assert await figures() == {
        "trace_count": 2, "duration": {"p50": 3.0, "p90": 3.8, "p99": 3.98}, "input": 2, "output": 1, "tags": 1.0,
        "error_count": 1, "llm_span_count": 1.0, "total_estimated_cost": 0.75, "usage.total_tokens": 30.0,
        "feedback_scores.q": 0.5,
    }  # fmt: skip
    threaded = await figures(filters=[{"field": "thread_id", "operator": "=", "value": "t"}])
    assert (threaded["trace_count"], threaded["error_count"], "feedback_scores.q" in threaded) == (1, 0, False)
    assert await figures(search="nothing like it") == {"trace_count": 0}
