"""The sessions of one thread: when each began and ended, and why it ended."""

from typing import Final

from pipeline.errors import Malformed
from pipeline.query.reader import Reader
from pipeline.query.rows import Row
from pipeline.query.statement import Scope
from pipeline.query.times import iso, iso_or_none

SESSIONS_MAX: Final = 200
"""The newest that are shown of one thread."""

_SESSIONS: Final = f"""
SELECT
    session_id,
    min(opened_at_us) AS opened_us,
    max(last_activity_at_us) AS activity_us,
    maxIf(closed_at_us, event = 'closed') AS closed_us,
    anyIf(reason, event = 'closed') AS why,
    max(activities) AS activity_count
FROM thread_events
WHERE workspace = {{workspace:String}} AND project_id = {{project_id:UUID}} AND thread_id = {{thread_id:String}}
  AND event IN ('opened', 'closed')
GROUP BY session_id
ORDER BY opened_us DESC, session_id DESC
LIMIT {SESSIONS_MAX}"""  # noqa: S608 - composed of a constant


class Session(Row, kw_only=True):
    """One session; `reason` is `inactive`, `requested` or `deleted`, and absent while it is open."""

    id: str
    opened_at: str
    last_activity_at: str
    closed_at: str | None = None
    reason: str | None = None
    activities: int = 0


async def sessions_of(reader: Reader, scope: Scope, thread_id: str) -> list[Session]:
    """Return the newest sessions of a thread, the latest first; raises Malformed where no thread is named."""
    if not thread_id:
        raise Malformed("thread_id must be given", field="thread_id")
    rows = await reader.ask(_SESSIONS, scope.parameters(thread_id=thread_id))
    return [
        Session(
            id=row["session_id"],
            opened_at=iso(row["opened_us"]),
            last_activity_at=iso(row["activity_us"]),
            closed_at=iso_or_none(row["closed_us"]),
            reason=row["why"],
            activities=row["activity_count"],
        )
        for row in rows
    ]
