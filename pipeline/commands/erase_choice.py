"""Which threads an erasure is about: those that are named, or those that filters of the query side find."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.errors import Malformed
from pipeline.events.identity import ThreadRef, project_id
from pipeline.query import filters, threads, trace_fields
from pipeline.query.parts import trace_parts
from pipeline.query.reader import Reader, query_settings
from pipeline.query.statement import Scope, Statement
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Choice:
    """Threads of one project by id; or by filters, JSON as the API takes them, of threads or of any of their traces.

    Traces without a thread that match `trace_filters` are chosen themselves.
    """

    workspace: str
    project_name: str
    thread_ids: Sequence[str] = ()
    thread_filters: str | None = None
    trace_filters: str | None = None

    @property
    def scope(self) -> Scope:
        """The project."""
        return Scope(self.workspace, project_id(self.workspace, self.project_name))


Chosen = tuple[list[ThreadRef], list[tuple[str, UUID]]]
"""Threads, and traces without one by workspace and id."""


async def chosen(settings: Settings, clock: Clock, choice: Choice) -> Chosen:
    """Return what is chosen; raises Malformed where a filter cannot be, or says nothing, and StorageUnavailable."""
    if bool(choice.thread_ids) + (choice.thread_filters is not None) + (choice.trace_filters is not None) != 1:
        raise Malformed("choose threads in one way: by --thread, by --filter or by --trace-filter")
    scope = choice.scope
    if choice.thread_ids:
        return [scope.thread(thread_id) for thread_id in dict.fromkeys(choice.thread_ids)], []
    async with ClickHouse(settings.clickhouse, query_settings=query_settings(settings.query)) as client:
        reader = Reader(client, settings.query, clock)
        if choice.thread_filters is not None:
            return await _by_threads(reader, scope, _decoded(choice.thread_filters)), []
        return await _by_traces(reader, scope, _decoded(choice.trace_filters or ""))


async def _by_threads(reader: Reader, scope: Scope, wanted: list[filters.Filter]) -> list[ThreadRef]:
    """Return the threads that match, those that were deleted included; every score of theirs counts."""
    statement = threads.chosen(scope, wanted, None, lenient=True, with_deletions=False)
    rows = await reader.rows(statement, f"SELECT DISTINCT thread_id FROM {threads.source_of(statement)}")  # noqa: S608
    return [scope.thread(row["thread_id"]) for row in rows]


async def _by_traces(reader: Reader, scope: Scope, wanted: list[filters.Filter]) -> Chosen:
    statement = Statement(trace_parts(with_deletions=False) | trace_fields.field_parts(), scope.parameters())
    filters.apply(wanted, trace_fields.FIELDS, statement)
    rows = await reader.rows(statement, "SELECT id, thread_id FROM live")
    named = dict.fromkeys(row["thread_id"] for row in rows if row["thread_id"])
    alone = [(scope.workspace, row["id"]) for row in rows if not row["thread_id"]]
    return [scope.thread(thread_id) for thread_id in named], alone


def _decoded(text: str) -> list[filters.Filter]:
    """Return the filters; a list without any would choose the whole project, which nobody says by leaving it empty."""
    found = filters.decode(text)
    if not found:
        raise Malformed("filters: none is given", field="filters")
    return found
