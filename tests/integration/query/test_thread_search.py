import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.query.pages import Search
from pipeline.query.reader import Reader
from pipeline.query.statement import Scope
from pipeline.query.thread_search import search
from pipeline.settings import QuerySettings
from tests.support.reading import Reads
from tests.support.stored import BEGAN_US, SECOND_US, Log, uuid7_at

THREADS = "/api/v1/private/traces/threads"
ANY: list[dict[str, str]] = []
LOOKING_AT_ALL = [{"field": "status", "operator": "=", "value": "active"}]


async def _whole_stream(
    reads: Reads, log: Log, cursor_member: str, limit: int, filters: Sequence[Mapping[str, str]] = ()
) -> list[Any]:
    """Read all pages as an SDK does; the cursor is taken from `cursor_member` of the last line."""
    seen: list[Any] = []
    body: dict[str, Any] = {"project_id": str(log.project), "limit": limit, "filters": list(filters)}
    while True:
        lines = (await reads.post(f"{THREADS}/search", body)).lines
        seen += lines
        if len(lines) < limit:
            return seen
        body["last_retrieved_thread_model_id"] = lines[-1][cursor_member]


async def test_a_stream_gives_every_thread_once_with_either_cursor(log: Log, writer: ClickHouse, reads: Reads) -> None:
    for number in range(23):
        log.trace(f"thread-{number}")
        log.trace(f"thread-{random.randrange(number + 1)}")
        if number % 2:
            log.opened(f"thread-{number}", 2 * number)  # without it the model id is not announced yet
    log.trace(str(uuid4()))  # a thread id that looks like a model id
    await log.store(writer)
    newest_first = [f"thread-{number}" for number in range(22, -1, -1)]

    by_model = [row["id"] for row in await _whole_stream(reads, log, "thread_model_id", 5)]
    by_thread = [row["id"] for row in await _whole_stream(reads, log, "id", 5)]

    assert by_model[1:] == newest_first
    assert by_thread == by_model


async def test_a_cursor_that_names_no_thread_is_refused_rather_than_read_from_the_start(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    log.trace("t")
    await log.store(writer)
    for cursor in ("gone", str(uuid4())):
        body = {"project_id": str(log.project), "last_retrieved_thread_model_id": cursor}
        answer = await reads.post(f"{THREADS}/search", body)
        assert (answer.status, cursor in answer.json["errors"][0]) == (400, True)


@pytest.mark.parametrize("seed", range(4))
async def test_threads_stand_where_their_oldest_trace_is_however_traces_come_and_move(
    seed: int, log: Log, writer: ClickHouse, reads: Reads
) -> None:
    choice = random.Random(seed)
    ids = [uuid7_at(BEGAN_US + number * SECOND_US, number) for number in range(60)]
    thread_of: dict[UUID, str] = {}
    for _ in range(6):
        for identity in choice.sample(ids, 15):
            thread = f"thread-{choice.randrange(12)}"
            log.trace(thread, id=identity, event="patch" if identity in thread_of else "create")
            thread_of[identity] = thread
        await log.store(writer)
    oldest = {thread: min(one for one, name in thread_of.items() if name == thread) for thread in thread_of.values()}
    newest_first = sorted(oldest, key=lambda thread: oldest[thread], reverse=True)

    found = await _whole_stream(reads, log, "thread_model_id", 2)

    assert [row["id"] for row in found] == newest_first
    assert [row["number_of_messages"] for row in found] == [
        2 * sum(name == thread for name in thread_of.values()) for thread in newest_first
    ]
    assert found == await _whole_stream(reads, log, "id", 5, LOOKING_AT_ALL)


@pytest.mark.parametrize("filters", [ANY, LOOKING_AT_ALL])
async def test_a_page_is_full_although_threads_have_left_their_places(
    filters: list[dict[str, str]], log: Log, writer: ClickHouse, reads: Reads
) -> None:
    for number in range(10):
        log.trace(f"thread-{number}", input=number)
    await log.store(writer)
    for number in range(3, 9):  # these turn out to be older than all others
        log.trace(f"thread-{number}", id=uuid7_at(BEGAN_US - number * SECOND_US, number), input=-number)
    await log.store(writer)

    lines = (
        await reads.post(f"{THREADS}/search", {"project_id": str(log.project), "limit": 5, "filters": filters})
    ).lines

    assert [row["id"] for row in lines] == [f"thread-{number}" for number in (9, 2, 1, 0, 3)]
    assert [row["number_of_messages"] for row in lines] == [2, 2, 2, 2, 4]


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("number_of_messages", ">", "2"),
        ("duration", ">", "600"),
        ("environment", "=", "prod"),
        ("thread_id", "<", "t3"),
    ],
)
async def test_what_threads_say_themselves_decides_in_stored_order(
    field: str, operator: str, value: str, log: Log, writer: ClickHouse, reads: Reads
) -> None:
    for number in range(6):
        log.trace(f"t{number}", environment="prod" if number < 3 else "test")
        if number < 3:
            log.trace(f"t{number}")
        log.opened(f"t{number}", number)
    log.closed("t1", 1, log.offset)
    await log.store(writer)
    filters = [{"field": field, "operator": operator, "value": value}]

    found = await _whole_stream(reads, log, "id", 2, filters)

    assert [(row["id"], row["status"]) for row in found] == [("t2", "active"), ("t1", "inactive"), ("t0", "active")]


class _Hesitant(Reader):
    """Chooses threads only when it was asked where they stand, and `meanwhile` has happened."""

    def __init__(self, client: ClickHouse, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(client, QuerySettings(), SystemClock())
        self._meanwhile = meanwhile
        self._have_standings = asyncio.Event()

    async def ask_as(
        self,
        decoder: msgspec.json.Decoder[Any],
        sql: str,
        parameters: Mapping[str, object],
        *,
        settings: Mapping[str, int] = {},
    ) -> list[Any]:
        if "max_block_size" in settings:  # these are being chosen
            await self._have_standings.wait()
            await self._meanwhile()
        found = await super().ask_as(decoder, sql, parameters, settings=settings)
        if "FROM next" in sql:
            self._have_standings.set()
        return found


async def test_a_thread_that_is_stored_while_others_are_found_is_told_as_well(log: Log, writer: ClickHouse) -> None:
    log.trace("before")
    log.trace("moves", id=uuid7_at(BEGAN_US + 100 * SECOND_US, 1))
    await log.store(writer)

    async def more_is_stored() -> None:
        log.trace("after", id=uuid7_at(BEGAN_US + 200 * SECOND_US, 2))
        log.trace("moves", id=uuid7_at(BEGAN_US - 100 * SECOND_US, 3))
        await log.store(writer)

    reader, wanted = _Hesitant(writer, more_is_stored), Search(project_id=log.project)
    runs = await search(reader, Scope(log.workspace, log.project), wanted, lenient=False)

    # What moved meanwhile is where it stood when that was asked: in one place.
    assert [one.id async for run in runs for one in run] == ["after", "moves", "before"]


async def test_a_thread_without_traces_is_in_no_stream(log: Log, writer: ClickHouse, reads: Reads) -> None:
    gone = log.trace("gone")
    log.trace("kept")
    await log.store(writer)
    log.trace(None, id=gone, event="delete")
    await log.store(writer)

    assert [row["id"] for row in await _whole_stream(reads, log, "id", 5)] == ["kept"]
