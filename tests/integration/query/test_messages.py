from typing import Any

from pipeline.adapters.clickhouse.client import ClickHouse
from tests.support.reading import Reads
from tests.support.stored import Log


async def test_messages_longer_than_their_preview_are_given_whole_or_cut_as_asked(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    image = "data:image/png;base64,iVBORw0KGgo="
    log.trace("edge", input="é" * 998, output="é" * 999)  # with its quotes the second one is longer than a preview
    log.trace("long", input={"text": "ab" * 600}, output="é" * 20_000)
    log.trace("picture", input={"url": image}, output="x" * 1200 + image)
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
