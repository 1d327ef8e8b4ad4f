"""Threads: closing, opening, deleting and scoring them, as commands that the stream decides in the order of the log.

In the strict regime a thread must be closed before it is scored; the answer then is Opik's own 409. Accepted scores of
the same request are stored all the same.
"""

from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.errors import Conflict, Malformed, Unprocessable
from pipeline.events.controls import Command, CommandKind
from pipeline.events.envelope import Record
from pipeline.events.identity import ThreadRef, parse_thread_key, thread_model_id
from pipeline.events.scores import ScoreEvent
from pipeline.events.threads import CommandReply
from pipeline.gateway.commands import Commands
from pipeline.gateway.intake import Intake
from pipeline.gateway.lookup import Lookup
from pipeline.gateway.opik.batch import Items, Taken, bounded, decoded
from pipeline.gateway.opik.scores import ScoreFields, author_of, name_of, require_any, score_values
from pipeline.gateway.opik.values import Reception
from pipeline.topics import TRACES


class ThreadScore(ScoreFields, kw_only=True, gc=False):
    """A score in a batch: it names its thread."""

    thread_id: str


class ThreadUnscore(msgspec.Struct, kw_only=True):
    """Scores of one thread to be deleted, by name; without `author`, what every author gave."""

    thread_id: str
    names: list[str]
    project_name: str | None = None
    project_id: UUID | None = None
    author: str | None = None


class ThreadNames(msgspec.Struct, kw_only=True):
    """One thread or many, of one project."""

    thread_id: str | None = None
    thread_ids: list[str] | None = None
    project_name: str | None = None
    project_id: UUID | None = None


_SCORES: Final = Items("scores", ThreadScore)
_UNSCORE: Final = msgspec.json.Decoder(ThreadUnscore)
_NAMES: Final = msgspec.json.Decoder(ThreadNames)


def score_command(body: ThreadScore, reception: Reception) -> Record:
    """Return the command that asks to score a thread."""
    thread, project_name = _thread_of(body.thread_id, body.project_name, body.project_id, reception)
    received_at_us = reception.clock.now_us()
    score = ScoreEvent(
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        entity_type="thread",
        entity_id=thread_model_id(thread.project_id, thread.thread_id),
        project_id=thread.project_id,
        project_name=project_name,
        thread_id=thread.thread_id,
        **score_values(body),
    )
    command = Command(requested_at_us=received_at_us, project_name=project_name, score=score)
    return command.record("score", thread, None)


def unscore_commands(body: ThreadUnscore, reception: Reception, *, names_max: int) -> list[Record]:
    """Return the commands that ask to delete scores of a thread, one a name."""
    names = list(dict.fromkeys(body.names))
    if not 0 < len(names) <= names_max:
        raise Unprocessable(f"names must have 1 to {names_max} items, not {len(names)}", field="names")
    thread, project_name = _thread_of(body.thread_id, body.project_name, body.project_id, reception)
    records = []
    for name in names:
        received_at_us = reception.clock.now_us()
        score = ScoreEvent(
            workspace=reception.workspace,
            version_us=received_at_us,
            received_at_us=received_at_us,
            entity_type="thread",
            entity_id=thread_model_id(thread.project_id, thread.thread_id),
            event="delete",
            name=name_of(name),
            author=author_of(body.author),
            project_id=thread.project_id,
            project_name=project_name,
            thread_id=thread.thread_id,
        )
        command = Command(requested_at_us=received_at_us, project_name=project_name, score=score)
        records.append(command.record("unscore", thread, None))
    return records


def name_commands(kind: CommandKind, body: ThreadNames, reception: Reception, *, threads_max: int) -> list[Record]:
    """Return the commands of one kind for every thread that `body` names, each once."""
    thread_ids = list(dict.fromkeys([*([] if body.thread_id is None else [body.thread_id]), *(body.thread_ids or ())]))
    if not 0 < len(thread_ids) <= threads_max:
        raise Unprocessable(
            f"thread_id or 1 to {threads_max} thread_ids are required, not {len(thread_ids)}", field="thread_id"
        )
    records = []
    for thread_id in thread_ids:
        thread, project_name = _thread_of(thread_id, body.project_name, body.project_id, reception)
        command = Command(requested_at_us=reception.clock.now_us(), project_name=project_name)
        records.append(command.record(kind, thread, None))
    return records


def _thread_of(
    thread_id: str, project_name: str | None, project_id: UUID | None, reception: Reception
) -> tuple[ThreadRef, str | None]:
    text = reception.key_text(thread_id, "thread_id")
    if text is None:
        raise Malformed("thread_id must not be blank", field="thread_id")
    project, name = reception.project_or_default(project_name, project_id)
    return ThreadRef(reception.workspace, project, text), name


class Threads:
    """The routes that take commands about threads."""

    def __init__(self, intake: Intake, commands: Commands, lookup: Lookup) -> None:
        self._intake: Final = intake
        self._commands: Final = commands
        self._lookup: Final = lookup

    async def close(self, request: Request) -> Response:
        """PUT traces/threads/close; 404 only where the stream had nothing to close and storage knows no such thread."""
        records, replies = await self._ask_by_name("close", request)
        idle = [record for record, reply in zip(records, replies, strict=True) if reply.outcome == "ignored"]
        await self._lookup.require_threads([parse_thread_key(record.key or b"") for record in idle])
        return Response(status_code=204)

    async def open(self, request: Request) -> Response:
        """PUT traces/threads/open."""
        await self._ask_by_name("open", request)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """POST traces/threads/delete."""
        await self._ask_by_name("delete", request)
        return Response(status_code=204)

    async def score(self, request: Request) -> Response:
        """PUT traces/threads/feedback-scores; 409 lists the threads whose scores were refused."""
        async with self._intake.open(request) as (body, reception):
            taken = require_any(self._intake.split(_SCORES, body, lambda item: score_command(item, reception)))
            answer = await self._intake.accept(Taken(refusals=taken.refusals), TRACES, reception)
            replies = await self._commands.ask("score", taken.records)
        refused = {
            parse_thread_key(record.key or b"").thread_id
            for record, reply in zip(taken.records, replies, strict=True)
            if reply.outcome == "refused"
        }
        if refused:
            active = ", ".join(sorted(refused))
            raise Conflict(f"Threads must be closed before scoring. Thread IDs are active: '[{active}]'")
        return answer

    async def unscore(self, request: Request) -> Response:
        """POST traces/threads/feedback-scores/delete."""
        async with self._intake.open(request) as (body, reception):
            names_max = self._intake.settings.batch_items_max
            records = self._bounded(unscore_commands(decoded(_UNSCORE, body), reception, names_max=names_max))
            await self._commands.ask("unscore", records)
        return Response(status_code=204)

    async def _ask_by_name(self, kind: CommandKind, request: Request) -> tuple[list[Record], list[CommandReply]]:
        async with self._intake.open(request) as (body, reception):
            threads_max = self._intake.settings.batch_items_max
            records = self._bounded(name_commands(kind, decoded(_NAMES, body), reception, threads_max=threads_max))
            return records, await self._commands.ask(kind, records)

    def _bounded(self, records: list[Record]) -> list[Record]:
        return [bounded(record, self._intake.settings.event_bytes_max) for record in records]
