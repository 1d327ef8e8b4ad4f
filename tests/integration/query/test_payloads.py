from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.traces import TraceEvent
from pipeline.query import payloads
from pipeline.query.payloads import runs_of
from tests.support.reading import Reads
from tests.support.stored import SECOND_US, Log

TRACES = "/v1/private/traces"


async def test_a_payload_is_folded_from_events_under_several_threads(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    trace = log.trace(None, name="start copy", input={"q": 1}, metadata={"m": 1})
    log.trace("a", id=trace, event="patch", output="first")
    log.trace("b", id=trace, event="patch", output="second")
    log.trace(None, id=trace, event="patch", output="older", version_us=log.now_us - 9 * SECOND_US)
    await log.store(writer)

    found = (await reads.get(f"{TRACES}/{trace}")).json

    assert (found["input"], found["output"], found["metadata"]) == ({"q": 1}, "second", {"m": 1})
    assert found["thread_id"] == "b"


async def test_a_payload_that_is_no_json_is_given_as_a_string(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace = log.trace("t", name="x")
    log.say(TraceEvent, id=trace, event="patch", thread_id="t", output="{not json")  # a producer without our checks
    await log.store(writer)

    assert (await reads.get(f"{TRACES}/{trace}")).json["output"] == "{not json"
    body = {"thread_id": "t", "project_id": str(log.project)}
    assert (await reads.post(f"{TRACES}/threads/retrieve", body)).json["last_message"] == "{not json"


async def test_a_stream_of_large_payloads_is_given_in_runs_of_bounded_size(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    ids = [str(log.trace("t", input="x" * 3_000_000)) for _ in range(5)]
    await log.store(writer)

    answer = await reads.post(f"{TRACES}/search", {"project_id": str(log.project)})

    assert [line["id"] for line in answer.lines] == ids[::-1]
    assert all(len(line["input"]) == 3_000_000 for line in answer.lines)
    assert [len(run) for run in runs_of(ids, [3_000_002] * 5)] == [2, 2, 1]
    assert payloads.CHUNK_BYTES_MAX < 3 * 3_000_000
