"""`threadline export`: whole conversations of a project into a file, in constant memory.

A file appears under its name only once it is whole; until then it stands beside it with `.part` at its end. Storage may
go away meanwhile: the export waits for it, and goes on where it was.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.errors import InvalidSettings, Refused
from pipeline.events.identity import project_id
from pipeline.query import oql
from pipeline.query.conversations import conversations, count
from pipeline.query.export import Form, JsonLines, written
from pipeline.query.filters import Filter
from pipeline.query.patience import PatientReader
from pipeline.query.projects import project
from pipeline.query.reader import Reader, query_settings, reading_user
from pipeline.query.rows import Thread, Trace
from pipeline.query.statement import Scope
from pipeline.query.turn_table import Csv
from pipeline.query.workspaces import Regimes
from pipeline.settings import Settings

FORMATS: Final = ("jsonl", "csv", "parquet")
_PART: Final = ".part"


class Wanted(NamedTuple):
    """Which conversations of which project, and how they are written."""

    workspace: str
    project: str
    filter: str = ""
    format: str = "jsonl"


def run(settings: Settings, wanted: Wanted, output: Path | None) -> None:
    """Write to `output`, or to the standard output where it is None.

    Raises InvalidSettings where it cannot be written there, Refused where there is no such project, or the filter is
    none, and StorageUnavailable where storage stays away for `THREADLINE_QUERY_EXPORT_PATIENCE_SECONDS`.
    """
    form, filters = _form(wanted.format), oql.parse(wanted.filter)
    with _opened(output) as file:
        asyncio.run(_export(settings, wanted, filters, form, file, Console(stderr=True)))


async def _export(
    settings: Settings, wanted: Wanted, filters: Sequence[Filter], form: Form, file: BinaryIO, console: Console
) -> None:
    clock = SystemClock()
    scope = Scope(wanted.workspace, project_id(wanted.workspace, wanted.project))
    storage = reading_user(settings.clickhouse, settings.query)
    async with ClickHouse(storage, query_settings=query_settings(settings.query)) as client:
        reader = PatientReader(
            client, settings.query, clock, seconds_max=settings.query.export_patience_seconds,
            on_failure=lambda error: console.print(f"storage does not answer, trying on: {error}", markup=False),
        )  # fmt: skip
        await _check_project(reader, scope, wanted)
        lenient = await Regimes(reader, clock, lenient=False).is_lenient(wanted.workspace)
        threads = await count(reader, scope, filters, lenient=lenient)
        pieces = await conversations(reader, scope, filters, lenient=lenient)
        async for octets in written(_with_progress(pieces, threads, console), form):
            file.write(octets)


async def _check_project(reader: Reader, scope: Scope, wanted: Wanted) -> None:
    """Raise Refused where no trace ever named the project: an empty file would hide a slip of the pen."""
    try:
        await project(reader, scope.workspace, scope.project_id)
    except Refused as refusal:
        place = f"workspace {wanted.workspace!r}"
        raise type(refusal)(f"there is no project {wanted.project!r} in {place}") from refusal


async def _with_progress(
    pieces: AsyncIterator[Thread | list[Trace]], threads: int, console: Console
) -> AsyncIterator[Thread | list[Trace]]:
    """Pass `pieces` on, and show how many of `threads` have begun where a terminal looks on."""
    columns = (TextColumn("conversations"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    begun = turns = 0
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("conversations", total=threads)
        async for piece in pieces:
            if isinstance(piece, Thread):
                begun += 1
                progress.update(task, completed=begun)
            else:
                turns += len(piece)
            yield piece
    console.print(f"{begun:,} conversations, {turns:,} traces")


def _form(name: str) -> Form:
    match name:
        case "jsonl":
            return JsonLines()
        case "csv":
            return Csv()
    try:
        from pipeline.query.parquet import Parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidSettings("--format parquet needs Apache Arrow: pip install 'threadline[parquet]'") from error
    return Parquet()


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(output.name + _PART)
    try:
        with part.open("wb") as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise InvalidSettings(f"cannot write {output}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
