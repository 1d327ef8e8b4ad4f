"""From the rows of threads to all that is shown of them: what was said of each, and its messages."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from pipeline.query import shapes
from pipeline.query.messages import Messages, Previews, messages_of, previews_of
from pipeline.query.reader import Reader
from pipeline.query.reviews import Said, review, said_of
from pipeline.query.rows import Thread
from pipeline.query.statement import Scope
from pipeline.query.thread_rows import ThreadRow

SLICE_THREADS_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How threads are read: `truncate` says whether long messages are cut, `lenient` which scores count."""

    reader: Reader
    scope: Scope
    truncate: bool
    lenient: bool


class Named(Protocol):
    """A thread by its ids: enough to begin reading all that is shown of it."""

    @property
    def first_trace(self) -> int:
        """The smallest id of its traces."""

    @property
    def model(self) -> int:
        """Its model id."""


class Around(NamedTuple):
    """What is said of threads elsewhere than in their rows."""

    said: Mapping[int, Said]
    previews: Previews


async def threads_of(reading: Reading, rows: Sequence[ThreadRow]) -> list[Thread]:
    """Return the threads of `rows`, with their states, what was said of them and their messages."""
    return await all_told(reading, rows, await around_of(reading, rows))


async def around_of(reading: Reading, threads: Sequence[Named], *, between: bool = False) -> Around:
    """Return what is said of threads elsewhere than in their rows.

    `between` says that they are all that stand between the first and the last of them in the order of streams.
    """
    reader, scope = reading.reader, reading.scope
    return Around(
        *await asyncio.gather(
            said_of(reader, scope.workspace, [one.model for one in threads]),
            previews_of(reader, scope, [one.first_trace for one in threads], between=between),
        )
    )


async def all_told(reading: Reading, rows: Sequence[ThreadRow], around: Around) -> list[Thread]:
    """Return the threads of `rows`, of which `around` is known."""
    messages = await messages_of(reading.reader, reading.scope, rows, around.previews, truncate=reading.truncate)
    return told(reading, rows, await begun_of(reading, rows), around, messages)


async def begun_of(reading: Reading, rows: Sequence[ThreadRow]) -> list[Thread]:
    """Return threads as far as their rows tell of them; there is time for it while the rest is read."""
    begun: list[Thread] = []
    for piece in slices(rows):
        await asyncio.sleep(0)
        begun += [shapes.thread(row, reading.scope.project_id) for row in rows[piece]]
    return begun


def slices(rows: Sequence[ThreadRow]) -> list[slice]:
    """Return the slices of `rows` between which others have a turn."""
    return [slice(begin, begin + SLICE_THREADS_MAX) for begin in range(0, len(rows), SLICE_THREADS_MAX)]


def told(
    reading: Reading,
    rows: Sequence[ThreadRow],
    begun: Sequence[Thread],
    around: Around,
    messages: Sequence[Messages],
) -> list[Thread]:
    """Return the threads that were `begun` of `rows`, completed."""
    return [
        shapes.complete(one, review(around.said.get(row.model), row, lenient=reading.lenient), ends)
        for row, one, ends in zip(rows, begun, messages, strict=True)
    ]
