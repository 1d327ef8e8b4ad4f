from typing import Any

from pipeline.adapters.clickhouse.client import ClickHouse
from tests.support.reading import Reads
from tests.support.stored import Log


async def test_messages_longer_than_their_preview_are_given_whole_or_cut_as_asked(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    image = "data:image/png;base64,iVBORw0KGgo="
    bare = "/9j/" + "A" * 70 + "=="
    log.trace("edge", input="é" * 998, output="é" * 999)  # with its quotes the second one is longer than a preview
    log.trace("long", input={"text": "ab" * 600}, output="é" * 20_000)
    log.trace("picture", input={"url": image}, output="x" * 1200 + image)
    log.trace("bare picture", input={"data": bare, "word": "Qknead"}, output=["x" * 1200, bare])
    await log.store(writer)

    async def thread(name: str, *, truncate: bool) -> tuple[Any, Any]:
        body = {"thread_id": name, "project_id": str(log.project), "truncate": truncate}
        row = (await reads.post("/v1/private/traces/threads/retrieve", body)).json
        return row["first_message"], row["last_message"]

    assert await thread("edge", truncate=False) == ("é" * 998, "é" * 999)
    assert await thread("long", truncate=False) == ({"text": "ab" * 600}, "é" * 20_000)
    assert await thread("long", truncate=True) == ({"text": "ab" * 600}, "é" * 10_001)
    assert await thread("picture", truncate=False) == ({"url": image}, "x" * 1200 + image)
    assert await thread("picture", truncate=True) == ({"url": "[image]"}, "x" * 1200 + "[image]")
    assert await thread("bare picture", truncate=False) == ({"data": bare, "word": "Qknead"}, ["x" * 1200, bare])
    assert await thread("bare picture", truncate=True) == (
        {"data": "[image]", "word": "Qknead"},
        ["x" * 1200, "[image]"],
    )


async def test_a_preview_that_is_missing_or_of_another_state_of_its_trace_is_not_shown(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    log.trace("stale", input="asked", output="answered")
    await log.store(writer)
    await writer.command(
        "INSERT INTO thread_previews SELECT * REPLACE (trace_events + 1 AS trace_events, '\"old\"' AS preview, "
        "events + 1 AS events) FROM thread_previews FINAL WHERE project_id = {project:UUID} AND NOT is_last",
        {"project": str(log.project)},
    )
    await writer.command(
        "DELETE FROM thread_previews WHERE project_id = {project:UUID} AND is_last",
        {"project": str(log.project)},
        settings={"lightweight_deletes_sync": 2},
    )

    [row] = (await reads.post("/v1/private/traces/threads/search", {"project_id": str(log.project)})).lines
    assert (row["first_message"], row["last_message"]) == ("asked", "answered")
    for field, text, found in (("first_message", "ask", 1), ("last_message", "answer", 1), ("first_message", "old", 0)):
        filters = [{"field": field, "operator": "contains", "value": text}]
        body = {"project_id": str(log.project), "filters": filters}
        answer = await reads.post("/v1/private/traces/threads/search", body)
        assert len(answer.lines) == found, (field, text)
