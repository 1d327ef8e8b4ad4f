import io

from rich.console import Console

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.archive import PROJECT_ID, WORKSPACE, Archive, fill, long_thread, settle
from pipeline.commands.bench.query import figures, measure
from pipeline.commands.bench.storage import embedded_storage

ARCHIVE = Archive(4000)
OF_PROJECT = "FROM traces FINAL WHERE workspace = {workspace:String} AND project_id = {project_id:UUID}"


async def test_the_archive_has_as_many_traces_threads_and_turns_as_it_says() -> None:
    scope = {"workspace": WORKSPACE, "project_id": str(PROJECT_ID)}
    async with embedded_storage() as storage:
        await fill(storage.client, ARCHIVE)
        await settle(storage.client)

        counted = await storage.client.rows(
            f"SELECT count() AS traces, uniqExact(thread_id) AS threads, "
            f"countIf(thread_id = {{long:String}}) AS turns {OF_PROJECT}",
            scope | {"long": long_thread(1)},
        )
        spans = await storage.client.rows("SELECT uniqExact(trace_id) AS traces, count() AS spans FROM spans FINAL")
        read = await storage.rows_read()

    assert counted == [{"traces": 4000, "threads": 200, "turns": 100}]
    assert spans == [{"traces": 4000, "spans": 4000}]
    assert read >= 8000


async def test_every_kind_of_read_is_measured_and_right() -> None:
    found = await measure(ARCHIVE, SystemClock(), Console(file=io.StringIO()), runs=2)

    assert found.latencies.keys() == {"search", "retrieve", "conversation", "filtered_page"}
    for name, latency in found.latencies.items():
        assert 0 < latency.p50_s <= latency.p95_s, name
        assert latency.rows_read > 0, name
    assert found.flows.keys() == {"stream", "export"}
    for flow in found.flows.values():
        assert (flow.traces >= 800, flow.per_s > 0) == (True, True)
    assert figures(ARCHIVE, found)["threads"] == 200
