"""What evaluators said of a thread, session by session: also of earlier ones, whose scores no longer count."""

from typing import Any, Final

import msgspec

from pipeline.events.identity import thread_model_id
from pipeline.query.reader import Reader
from pipeline.query.rows import short
from pipeline.query.statement import Scope
from pipeline.query.times import iso

ROWS_MAX: Final = 10_000

_GIVEN: Final = """
SELECT
    session, given_by, name,
    argMax((value, reason, source_queue_id), (version_us, ifNull(value, 0), ifNull(reason, ''))) AS newest,
    max(version_us) AS closed_at_us
FROM (
    SELECT *, ifNull(session_id, '') AS session, ifNull(author, '') AS given_by
    FROM score_events
    WHERE workspace = {workspace:String} AND entity_type = 'thread' AND toUInt128(entity_id) = {model:UInt128}
      AND source = 'online_scoring' AND event = 'set' AND value IS NOT NULL
)
GROUP BY session, given_by, name
HAVING closed_at_us > (
    SELECT max(ifNull(closed_at_us, 0)) FROM thread_events
    WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} AND thread_id = {thread_id:String}
      AND event = 'closed' AND reason = 'deleted'
)
ORDER BY closed_at_us DESC, given_by, name
LIMIT {rows_max:UInt32}"""


class Evaluation(msgspec.Struct, frozen=True):
    """One score that an evaluator gave. `origin` is its rule, evaluator and version; `closed_at` ends the session."""

    session_id: str
    closed_at: str
    author: str
    name: str
    value: Any
    reason: str | None
    origin: str | None


async def evaluations_of(reader: Reader, scope: Scope, thread_id: str) -> list[Evaluation]:
    """Return every score that evaluators gave a thread, the latest session's first, at most ROWS_MAX.

    Of a thread that was deleted those of sessions that ended since.
    """
    model = thread_model_id(scope.project_id, thread_id).int
    rows = await reader.ask(_GIVEN, scope.parameters(model=model, thread_id=thread_id, rows_max=ROWS_MAX))
    found = []
    for row in rows:
        value, reason, origin = row["newest"]
        closed_at = iso(row["closed_at_us"])
        found.append(Evaluation(row["session"], closed_at, row["given_by"], row["name"], short(value), reason, origin))
    return found
