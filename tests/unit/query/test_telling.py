import asyncio
from unittest.mock import Mock

from pipeline.events.identity import project_id
from pipeline.query.reader import Reader
from pipeline.query.statement import Scope
from pipeline.query.telling import SLICE_THREADS_MAX, Reading, begun_of, slices
from pipeline.query.thread_rows import DECODER, ThreadRow
from tests.unit.query.test_thread_rows import LINE

READING = Reading(reader=Mock(spec=Reader), scope=Scope("w", project_id("w", "p")), truncate=True, lenient=True)


def rows_named(count: int) -> list[ThreadRow]:
    return [DECODER.decode(LINE.replace('"t"', f'"t{number}"')) for number in range(count)]


def test_slices_cover_every_row_once_and_in_order() -> None:
    rows = rows_named(2 * SLICE_THREADS_MAX + 1)

    told = [rows[piece] for piece in slices(rows)]

    assert [len(piece) for piece in told] == [SLICE_THREADS_MAX, SLICE_THREADS_MAX, 1]
    assert [row for piece in told for row in piece] == rows
    assert slices([]) == []


async def test_others_have_a_turn_while_many_threads_are_begun() -> None:
    rows = rows_named(5 * SLICE_THREADS_MAX)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    begun = await begun_of(READING, rows)
    waiting.cancel()

    assert [one.id for one in begun] == [row.thread_id for row in rows]
    assert turns >= len(rows) // SLICE_THREADS_MAX
