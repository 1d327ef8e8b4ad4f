from pipeline.adapters.clickhouse.client import ClickHouse
from tests.support.reading import Reads
from tests.support.stored import SECOND_US, Log


async def test_of_each_author_the_newest_score_counts_and_authors_are_averaged(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    trace = log.trace("t")
    log.score("trace", trace, "q", "0.9", author="ann", reason="first word")
    log.score("trace", trace, "q", "0.1", author="ann", reason="clear", category_name="c", source="ui")
    log.score("trace", trace, "q", "0.2", author="bob", reason="short")
    log.score("trace", trace, "q", "5", author="ann", version_us=1)  # an old one, delivered late
    log.score("trace", trace, "exact", "999999999.999999999")
    await log.store(writer)

    exact, score = (await reads.get(f"/v1/private/traces/{trace}")).json["feedback_scores"]

    assert (score["value"], score["reason"], score["created_by"]) == (0.15, "clear, short", "ann")
    assert (score["last_updated_by"], score["source"]) == ("bob", "sdk")
    assert {author: given["value"] for author, given in score["value_by_author"].items()} == {"ann": 0.1, "bob": 0.2}
    assert score["value_by_author"]["ann"]["category_name"] == "c"
    body = (await reads.get(f"/v1/private/traces/{trace}")).body
    assert exact["name"] == "exact"
    assert b'"value":999999999.999999999' in body


async def test_a_deletion_takes_one_author_or_all_and_a_later_score_counts_again(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    trace = log.trace("t")

    async def authors() -> dict[str, set[str]]:
        await log.store(writer)
        scores = (await reads.get(f"/v1/private/traces/{trace}")).json.get("feedback_scores", [])
        return {score["name"]: set(score["value_by_author"]) for score in scores}

    for author in ("ann", "bob", None):
        log.score("trace", trace, "q", "1", author=author)
    log.score("trace", trace, "other", "1", author="ann")
    log.score("trace", trace, "q", None, author="ann")
    assert await authors() == {"other": {"ann"}, "q": {"bob", "admin"}}

    log.score("trace", trace, "q", None)
    assert await authors() == {"other": {"ann"}}

    log.score("trace", trace, "q", "0", author="ann")
    log.score("trace", trace, "q", "1", author="bob", version_us=log.now_us - 3 * SECOND_US)  # from before the deletion
    assert await authors() == {"other": {"ann"}, "q": {"ann"}}


async def test_scores_that_arrive_before_their_trace_are_there_when_it_is(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    ahead = Log(log.workspace)
    trace = ahead.trace("t")
    log.score("trace", trace, "q", "1")
    await log.store(writer)
    assert (await reads.get(f"/v1/private/traces/{trace}")).status == 404

    await ahead.store(writer)
    assert (await reads.get(f"/v1/private/traces/{trace}")).json["feedback_scores"][0]["value"] == 1


async def test_the_names_of_scores_are_those_of_the_projects_own_traces_and_spans(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    trace, elsewhere = log.trace("t"), log.trace("t", project_id=log.model("other"), project_name="Other")
    span, tool = log.span(trace, type="llm"), log.span(trace, type="tool")
    log.score("trace", trace, "q", "1")
    log.score("trace", trace, "gone", "1")
    log.score("trace", trace, "gone", None)
    log.score("trace", elsewhere, "foreign", "1")
    log.score("span", span, "of llm", "1")
    log.score("span", tool, "of tool", "1")
    await log.store(writer)

    async def names(path: str, **query: str) -> list[str]:
        answer = await reads.get(f"/v1/private/{path}/feedback-scores/names", project_id=str(log.project), **query)
        assert {score["type"] for score in answer.json["scores"]} == {"NUMERICAL"}
        return [score["name"] for score in answer.json["scores"]]

    assert await names("traces") == ["q"]
    assert await names("spans") == ["of llm", "of tool"]
    assert await names("spans", type="tool") == ["of tool"]
