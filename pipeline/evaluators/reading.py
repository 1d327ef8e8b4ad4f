"""Read the transcripts of closed sessions from storage, those of one project together.

What belongs to a transcript follows from the log, not from when it is read: of the thread's own records, which stand in
one partition, those up to the last of the session; of all others, what was appended up to the close. So a later session
of the thread, whose turns may be stored already, does not show, and a repeated evaluation reads the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.errors import Unevaluable
from pipeline.evaluators.transcript import Span, Transcript, Turn
from pipeline.events.identity import NIL_ID
from pipeline.events.threads import ThreadEvent

TURNS_MAX: Final = 5000
"""Most turns of one thread, and of all that are read with one query: their ids travel in the URL."""
READ_BYTES_MAX: Final = 32 * 1024 * 1024
"""About how many bytes of payloads are asked for at once, unless one thread has more."""

QUERY_SETTINGS: Final[Mapping[str, str | int]] = {
    "readonly": 1,
    "max_execution_time": 60,
    "timeout_before_checking_execution_speed": 0,
    "do_not_merge_across_partitions_select_final": 1,  # a row's partition follows from its id and never changes
    "transform_null_in": 0,
    "aggregate_functions_null_for_empty": 0,
}

_EXTENT: Final = """
SELECT thread_id, id, first_version_us, input_bytes + output_bytes AS bytes
FROM traces FINAL
PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID}
    AND thread_id IN {thread_ids:Array(String)}"""
_DELETED: Final = """
SELECT thread_id, max(assumeNotNull(closed_at_us)) AS deleted_at_us
FROM thread_events
WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} AND thread_id IN {thread_ids:Array(String)}
  AND event = 'closed' AND reason = 'deleted' AND closed_at_us IS NOT NULL
GROUP BY thread_id"""
_SPAN_BYTES: Final = """
SELECT trace_id, sum(input_bytes + output_bytes) AS bytes
FROM spans FINAL
PREWHERE workspace = {workspace:String} AND toUInt128(trace_id) IN {ids:Array(UInt128)}
GROUP BY trace_id"""

_PLACE: Final = "{sessions:Array(UInt32)}[indexOf({ids:Array(UInt128)}, toUInt128(%s))]"
_VERSION: Final = "(version_us, content_hash)"
_TURNS: Final = f"""
WITH {_PLACE % "id"} AS session
SELECT
    id,
    argMax(start_time_us, {_VERSION}) AS started_at_us, argMax(end_time_us, {_VERSION}) AS ended_at_us,
    argMax(input, {_VERSION}) AS input, argMax(output, {_VERSION}) AS output, argMax(error_info, {_VERSION}) AS error,
    argMax(environment, {_VERSION}) AS environment, argMax(source, {_VERSION}) AS source
FROM trace_events
WHERE workspace = {{workspace:String}} AND (thread_id, toUInt128(id)) IN (
    SELECT thread_id, toUInt128(id) FROM trace_fields
    WHERE workspace = {{workspace:String}} AND toUInt128(id) IN {{ids:Array(UInt128)}}
) AND if(
    thread_id != ''
        AND log_id = {{logs:Array(UUID)}}[session] AND log_partition = {{partitions:Array(UInt32)}}[session],
    log_offset <= {{lasts:Array(Int64)}}[session],
    appended_at_ms <= {{closes:Array(Int64)}}[session]
)
GROUP BY id
HAVING countIf(thread_id = {{thread_ids:Array(String)}}[{_PLACE % "id"}]) > 0"""  # noqa: S608 - made of our own constants
_SPANS: Final = f"""
WITH {_PLACE % "trace_id"} AS session
SELECT
    trace_id, id,
    argMaxIf(parent_span_id, {_VERSION}, parent_span_id != toUUID('{NIL_ID}')) AS parent_span_id,
    argMax(name, {_VERSION}) AS name, argMax(type, {_VERSION}) AS type, argMax(model, {_VERSION}) AS model,
    argMax(start_time_us, {_VERSION}) AS started_at_us, argMax(end_time_us, {_VERSION}) AS ended_at_us,
    argMax(input, {_VERSION}) AS input, argMax(output, {_VERSION}) AS output, argMax(error_info, {_VERSION}) AS error
FROM span_events
WHERE workspace = {{workspace:String}} AND toUInt128(trace_id) IN {{ids:Array(UInt128)}}
  AND appended_at_ms <= {{closes:Array(Int64)}}[session]
GROUP BY trace_id, id
HAVING countIf(event = 'delete') = 0
ORDER BY trace_id, started_at_us, toUInt128(id)"""  # noqa: S608 - made of our own constants


class Extent(NamedTuple):
    """The traces that a thread has now, and about how many bytes their payloads are."""

    ids: list[UUID]
    bytes: int


Outcome = Transcript | Unevaluable
"""What became of reading one session."""


async def read_transcripts(
    client: ClickHouse, sessions: Sequence[ThreadEvent], *, with_spans: bool, bytes_max: int
) -> list[Outcome]:
    """Return the transcripts of `sessions`, of different threads of one project, in their order.

    A thread with more than `bytes_max` of payloads, or more than TURNS_MAX turns, comes back as Unevaluable. Raises
    StorageUnavailable, and Unstorable where ClickHouse refuses the query.
    """
    extents = await _extents(client, sessions, with_spans=with_spans)
    found: dict[str, Outcome] = {}
    readable: list[ThreadEvent] = []
    for session in sessions:
        extent = extents[session.thread_id]
        if len(extent.ids) > TURNS_MAX or extent.bytes > bytes_max:
            found[session.thread_id] = Unevaluable(
                f"too large to be evaluated: {len(extent.ids):,} turns and {extent.bytes:,} bytes; taken are "
                f"{TURNS_MAX:,} and {bytes_max:,}"
            )
        else:
            readable.append(session)
    for run in runs_of(readable, extents):
        found |= await _read(client, run, extents, with_spans=with_spans)
    return [found[session.thread_id] for session in sessions]


def runs_of(sessions: Sequence[ThreadEvent], extents: Mapping[str, Extent]) -> list[list[ThreadEvent]]:
    """Return `sessions` in runs that may be read with one query each."""
    runs: list[list[ThreadEvent]] = []
    turns = size = 0
    for session in sessions:
        extent = extents[session.thread_id]
        turns, size = turns + len(extent.ids), size + extent.bytes
        if not runs or turns > TURNS_MAX or size > READ_BYTES_MAX:
            runs.append([])
            turns, size = len(extent.ids), extent.bytes
        runs[-1].append(session)
    return runs


async def _extents(client: ClickHouse, sessions: Sequence[ThreadEvent], *, with_spans: bool) -> dict[str, Extent]:
    scope: dict[str, object] = {
        "workspace": sessions[0].workspace,
        "project_id": sessions[0].project_id,
        "thread_ids": [session.thread_id for session in sessions],
    }
    deleted = {row["thread_id"]: row["deleted_at_us"] for row in await client.rows(_DELETED, scope)}
    traces = [
        row for row in await client.rows(_EXTENT, scope) if row["first_version_us"] > deleted.get(row["thread_id"], 0)
    ]
    weights = {row["id"]: row["bytes"] for row in traces}
    if with_spans and 0 < len(weights) <= TURNS_MAX:
        for row in await client.rows(
            _SPAN_BYTES, {"workspace": scope["workspace"], "ids": [trace_id.int for trace_id in weights]}
        ):
            weights[row["trace_id"]] += row["bytes"]
    extents = {session.thread_id: Extent([], 0) for session in sessions}
    for row in traces:
        before = extents[row["thread_id"]]
        before.ids.append(row["id"])
        extents[row["thread_id"]] = Extent(before.ids, before.bytes + weights[row["id"]])
    return extents


async def _read(
    client: ClickHouse, run: Sequence[ThreadEvent], extents: Mapping[str, Extent], *, with_spans: bool
) -> dict[str, Outcome]:
    # Places in the arrays of a query count from 1.
    places = {trace_id: place for place, session in enumerate(run, 1) for trace_id in extents[session.thread_id].ids}
    if not places:
        return {session.thread_id: transcript_of(session, []) for session in run}
    ids = [trace_id.int for trace_id in places]
    closes = [(session.closed_at_us or 0) // 1000 for session in run]
    shared: dict[str, object] = {
        "workspace": run[0].workspace, "ids": ids, "sessions": list(places.values()), "closes": closes,
    }  # fmt: skip
    rows = await client.rows(
        _TURNS,
        shared
        | {
            "thread_ids": [session.thread_id for session in run],
            "logs": [session.last_log_id or session.session_log_id for session in run],
            "partitions": [session.session_partition for session in run],
            "lasts": [session.last_offset for session in run],
        },
    )
    spans = await _spans(client, shared) if with_spans else {}
    turns: dict[int, list[Turn]] = {}
    for row in rows:
        turns.setdefault(places[row["id"]], []).append(_turn_of(row, spans.get(row["id"], ())))
    return {session.thread_id: transcript_of(session, turns.get(place, [])) for place, session in enumerate(run, 1)}


async def _spans(client: ClickHouse, parameters: Mapping[str, object]) -> dict[UUID, Sequence[Span]]:
    spans: dict[UUID, list[Span]] = {}
    for row in await client.rows(_SPANS, parameters):
        parent = row["parent_span_id"]
        spans.setdefault(row["trace_id"], []).append(
            Span(**{**row, "parent_span_id": None if parent == NIL_ID else parent})
        )
    return dict(spans)


def _turn_of(row: Mapping[str, Any], spans: Sequence[Span]) -> Turn:
    return Turn(
        trace_id=row["id"],
        started_at_us=row["started_at_us"],
        ended_at_us=row["ended_at_us"],
        input=row["input"],
        output=row["output"],
        error=row["error"],
        environment=row["environment"],
        source=row["source"],
        spans=tuple(spans),
    )


def transcript_of(session: ThreadEvent, turns: Sequence[Turn]) -> Transcript:
    """Return the transcript of a closed session, its turns in the order in which they began."""
    if session.closed_at_us is None or session.reason is None or session.reason == "thread_open":
        raise Unevaluable("the session is not closed")
    return Transcript(
        workspace=session.workspace,
        project_id=session.project_id,
        thread_id=session.thread_id,
        thread_model_id=session.thread_model_id,
        session_id=session.session_id,
        closed_at_us=session.closed_at_us,
        reason=session.reason,
        turns=tuple(sorted(turns, key=_beginning)),
    )


def _beginning(turn: Turn) -> tuple[bool, int, int]:
    """Return where a turn stands; one that does not say when it began is the last."""
    return turn.started_at_us is None, turn.started_at_us or 0, turn.trace_id.int
