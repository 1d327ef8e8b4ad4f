from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.query.times import iso
from tests.support.reading import Reads
from tests.support.stored import BEGAN_US, SECOND_US, Log, uuid7_at

SPANS = "/api/v1/private/spans"


async def test_a_span_has_the_fields_that_the_contract_names(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace = log.trace("t")
    parent = log.span(trace, name="parent")
    span = log.span(
        trace, parent_span_id=parent, name="call", type="llm", input={"q": 1}, output="a", metadata={"m": 1},
        model="m-1", provider="openai", usage={"total_tokens": 3}, total_estimated_cost="0.25",
        total_estimated_cost_version="v1", tags_added=("x",), error_info={"exception_type": "E"}, source="sdk",
    )  # fmt: skip
    await log.store(writer)

    at = iso(BEGAN_US + 3 * SECOND_US)
    assert (await reads.get(f"{SPANS}/{span}")).json == {
        "id": str(span), "project_id": str(log.project), "trace_id": str(trace), "parent_span_id": str(parent),
        "name": "call", "type": "llm", "start_time": iso(BEGAN_US + 2 * SECOND_US),
        "end_time": iso(BEGAN_US + 2 * SECOND_US + 1500), "input": {"q": 1}, "output": "a", "metadata": {"m": 1},
        "model": "m-1", "provider": "openai", "tags": ["x"], "usage": {"total_tokens": 3},
        "error_info": {"exception_type": "E"}, "created_at": at, "last_updated_at": at, "created_by": "admin",
        "last_updated_by": "admin", "total_estimated_cost": 0.25, "total_estimated_cost_version": "v1",
        "duration": 1.5, "source": "sdk",
    }  # fmt: skip
    assert "parent_span_id" not in (await reads.get(f"{SPANS}/{parent}")).json


async def test_spans_are_read_by_trace_and_by_project(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace, other = log.trace("t"), log.trace("t")
    ids = [str(log.span(trace, type="llm" if number % 2 else "tool")) for number in range(5)]
    elsewhere = str(log.span(other))
    unnamed = str(log.span(other, project_id=None, project_name=None))
    await log.store(writer)
    project = {"project_id": str(log.project)}

    page = (await reads.get(SPANS, **project, trace_id=str(trace), size=3, sorting=[{"field": "id"}])).json
    assert ([row["id"] for row in page["content"]], page["total"]) == (ids[:3], 5)
    typed = (await reads.post(f"{SPANS}/search", {**project, "trace_id": str(trace), "type": "llm"})).lines
    assert [row["id"] for row in typed] == [ids[3], ids[1]]
    cursor = {**project, "limit": 2, "last_retrieved_id": ids[4]}
    assert [row["id"] for row in (await reads.post(f"{SPANS}/search", cursor)).lines] == [ids[3], ids[2]]
    everything = (await reads.get(SPANS, **project)).json["content"]
    assert {row["id"] for row in everything} == {*ids, elsewhere}
    in_default = (await reads.get(SPANS, project_name="default project")).json["content"]
    assert [row["id"] for row in in_default] == [unnamed]


async def test_unknown_spans_are_404_and_wrong_ids_400(reads: Reads) -> None:
    assert (await reads.get(f"{SPANS}/{uuid7_at(1, 1)}")).status == 404
    assert (await reads.get(f"{SPANS}/x")).status == 400
    assert (await reads.get(SPANS, project_name="p", trace_id="x")).status == 400
