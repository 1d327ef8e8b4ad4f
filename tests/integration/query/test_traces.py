import msgspec

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.query.times import iso
from tests.support.reading import Reads, sorted_by
from tests.support.stored import BEGAN_US, SECOND_US, Log, uuid7_at

TRACES = "/api/v1/private/traces"


async def test_a_trace_has_the_fields_that_the_contract_names(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace = log.trace(
        "t-1", name="chat", input={"user": "hi"}, output=["a", 1], metadata={"model": "x"}, tags_added=("vip",),
        error_info={"exception_type": "E", "traceback": "..."}, ttft=12.5, source="sdk", environment="prod",
    )  # fmt: skip
    log.span(trace, usage={"total_tokens": 7}, total_estimated_cost="0.5", type="llm")
    log.span(trace, usage={"total_tokens": 5})
    log.score("trace", trace, "user_feedback", "1", source="ui", category_name="good")
    await log.store(writer)

    at = iso(BEGAN_US + SECOND_US)
    scored_at = iso(BEGAN_US + 4 * SECOND_US)
    given = {"value": 1, "category_name": "good", "source": "ui", "last_updated_at": scored_at}
    assert (await reads.get(f"{TRACES}/{trace}")).json == {
        "id": str(trace), "project_id": str(log.project), "name": "chat", "start_time": iso(BEGAN_US),
        "end_time": iso(BEGAN_US + SECOND_US // 2), "input": {"user": "hi"}, "output": ["a", 1],
        "metadata": {"model": "x"}, "tags": ["vip"], "error_info": {"exception_type": "E", "traceback": "..."},
        "usage": {"total_tokens": 12}, "created_at": at, "last_updated_at": at, "created_by": "admin",
        "last_updated_by": "admin", "total_estimated_cost": 0.5, "span_count": 2, "llm_span_count": 1,
        "duration": 500.0, "ttft": 12.5, "thread_id": "t-1", "source": "sdk", "environment": "prod",
        "feedback_scores": [
            {
                "name": "user_feedback", "value": 1, "category_name": "good", "source": "ui",
                "created_at": scored_at, "last_updated_at": scored_at, "created_by": "admin",
                "last_updated_by": "admin", "value_by_author": {"admin": given},
            }
        ],
    }  # fmt: skip


async def test_a_trace_that_was_only_patched_is_read_from_the_default_project(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    trace = log.trace(None, event="patch", output="done")
    await log.store(writer)

    found = (await reads.get(f"{TRACES}/{trace}")).json

    assert (found["output"], found["start_time"]) == ("done", found["created_at"])
    in_default = (await reads.post(f"{TRACES}/search", {"project_name": "Default Project"})).lines
    assert [row["id"] for row in in_default] == [str(trace)]


async def test_what_a_later_event_says_counts_field_by_field(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace = log.trace(None, event="patch", output="late", version_us=log.now_us + 60 * SECOND_US)
    log.trace("t", id=trace, input="first", output="early")
    log.trace(None, id=trace, end_time_us=None, name="start copy", version_us=BEGAN_US)
    await log.store(writer)

    found = (await reads.get(f"{TRACES}/{trace}")).json

    assert (found["input"], found["output"], found["thread_id"]) == ("first", "late", "t")


async def test_unknown_and_deleted_traces_are_404(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace = log.trace("t")
    log.trace(None, id=trace, event="delete")
    await log.store(writer)

    assert (await reads.get(f"{TRACES}/{trace}")).status == 404
    assert (await reads.get(f"{TRACES}/{uuid7_at(1, 1)}")).status == 404
    assert (await reads.get(f"{TRACES}/no-id")).status == 400


async def test_a_stream_gives_every_trace_once_newest_id_first(log: Log, writer: ClickHouse, reads: Reads) -> None:
    ids = [str(log.trace(f"t{number % 3}" if number % 2 else None)) for number in range(13)]
    await log.store(writer)
    seen: list[str] = []
    body: dict[str, object] = {"project_id": str(log.project), "limit": 4, "filters": None}
    for _ in range(4):
        lines = (await reads.post(f"{TRACES}/search", body)).lines
        seen += [line["id"] for line in lines]
        body["last_retrieved_id"] = seen[-1]

    assert seen == ids[::-1]


async def test_payloads_are_whole_unless_they_are_to_be_cut(log: Log, writer: ClickHouse, reads: Reads) -> None:
    image = "data:image/png;base64," + "A" * 50
    long = log.trace("t", input={"text": "é" * 20_000}, output="é" * 20_000)
    pictured = log.trace("t", input={"picture": image}, output="short")
    await log.store(writer)
    project = {"project_id": str(log.project)}

    whole = {row["id"]: row for row in (await reads.post(f"{TRACES}/search", project)).lines}
    cut = {row["id"]: row for row in (await reads.post(f"{TRACES}/search", {**project, "truncate": True})).lines}

    assert whole[str(long)]["input"] == {"text": "é" * 20_000}
    assert whole[str(pictured)]["input"] == {"picture": image}
    assert cut[str(long)]["input"] == ('{"text":"' + "é" * 20_000)[:10_001]
    assert cut[str(long)]["output"] == "é" * 10_001
    assert cut[str(pictured)]["input"] == {"picture": "[image]"}


async def test_payload_text_is_neither_decoded_nor_encoded_again(log: Log, writer: ClickHouse, reads: Reads) -> None:
    text = '{"b" : 1.10,  "a":1e400, "a":"\\u00e9", "big":123456789012345678901234567890}'
    trace = log.trace("t", metadata=msgspec.Raw(text.encode()))
    await log.store(writer)

    assert text.encode() in (await reads.get(f"{TRACES}/{trace}")).body


async def test_pages_are_sorted_filtered_and_counted(log: Log, writer: ClickHouse, reads: Reads) -> None:
    for number in range(5):
        log.trace("t", name=f"n{number}", end_time_us=log.now_us + (number * 7 % 5) * 1000)
    await log.store(writer)
    query = {"project_id": str(log.project), "size": 2, "sorting": [{"field": "duration", "direction": "ASC"}]}

    pages = [(await reads.get(TRACES, **query, page=page)).json for page in (1, 2, 3, 9)]

    assert [row["name"] for page in pages for row in page["content"]] == ["n0", "n3", "n1", "n4", "n2"]
    assert [(page["page"], page["size"], page["total"]) for page in pages] == [
        (1, 2, 5),
        (2, 2, 5),
        (3, 1, 5),
        (9, 0, 5),
    ]


async def test_pages_are_sorted_by_cost_usage_scores_and_tags_with_absent_ones_last(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    traces = [log.trace("t", tags_added=tags) for tags in ((), ("b",), ("z", "a"), ("a",), ())]
    for trace, cost, tokens in zip(traces, ("0.1", "0.5", "0", "0.3", None), (7, 7, 10**12, 0, None), strict=True):
        usage = {} if tokens is None else {"total_tokens": tokens}
        log.span(trace, usage=usage, total_estimated_cost=cost)
    log.span(traces[0], usage={"a.b": 1}, total_estimated_cost="0.2")
    for trace, values in zip(traces, (("0.9", "0.5"), ("-1",), ("0.7",), ("0",), ()), strict=True):
        for number, value in enumerate(values):
            log.score("trace", trace, "my.score", value, author=f"judge-{number}")
    log.score("trace", traces[4], "My.Score", "5")
    elsewhere = log.trace("t", project_id=log.model("other"), project_name="Other")
    log.score("trace", elsewhere, "my.score", "1")
    await log.store(writer)
    project = {"project_id": str(log.project)}
    unsorted = (await reads.get(TRACES, **project)).json
    assert len(unsorted["content"]) == len(traces)

    for field in (
        "total_estimated_cost", "usage.total_tokens", "usage.a.b", "feedback_scores.my.score",
        "feedback_scores.My.Score", "feedback_scores.unheard", "tags",
    ):  # fmt: skip
        assert {field, field.partition(".")[0] + ".*"} & set(unsorted["sortableBy"])
        for direction, size in (("ASC", 3), ("DESC", len(traces))):
            sorting = [{"field": field, "direction": direction}]
            found = await reads.ids_in_pages(TRACES, size=size, **project, sorting=sorting)
            assert found == sorted_by(field, direction, unsorted["content"]), (field, direction)


async def test_a_sort_by_sums_and_scores_is_of_what_is_filtered(log: Log, writer: ClickHouse, reads: Reads) -> None:
    for number in range(4):
        trace = log.trace(f"t{number % 2}", name=f"n{number}")
        log.span(trace, usage={"total_tokens": number}, total_estimated_cost=str(number + 1))
        log.score("trace", trace, "q", str(-number))
    await log.store(writer)
    query = {
        "project_id": str(log.project),
        "filters": [
            {"field": "thread_id", "operator": "=", "value": "t1"},
            {"field": "usage.total_tokens", "operator": ">=", "value": "1"},
            {"field": "feedback_scores", "operator": "<", "key": "q", "value": "0"},
        ],
        "sorting": [{"field": "feedback_scores.q"}, {"field": "total_estimated_cost"}],
        "search": "N",
    }

    pages = [(await reads.get(TRACES, **query, page=page)).json for page in (1, 2)]

    assert [row["name"] for page in pages for row in page["content"]] == ["n3", "n1"]
    assert [(page["size"], page["total"]) for page in pages] == [(2, 2), (0, 2)]


async def test_whether_there_are_traces_is_told_by_source_and_thread(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    log.trace(None, source="sdk")
    await log.store(writer)
    project = str(log.project)

    async def exists(**query: str) -> bool:
        return bool((await reads.get(f"{TRACES}/exists", project_id=project, **query)).json["exists"])

    assert await exists()
    assert await exists(source="sdk")
    assert not await exists(source="playground")
    assert not await exists(thread_only="true")
