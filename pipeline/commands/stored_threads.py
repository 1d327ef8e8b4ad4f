"""What storage knows of the log of threads up to some place in it: log times, settings, and the sessions that are open.

A session is open if nothing stored closes it, or if what closes it follows from a later record than those up to the
place. Activity behind the latest close is a session, too, of which nobody has told yet.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.controls import SETTING_DECODER, Setting
from pipeline.events.identity import NIL_ID, ThreadRef
from pipeline.sinks.fold import DEFAULT_PROJECT_SQL
from pipeline.stream.seeds import OpenSession
from pipeline.stream.thread_state import Extent
from pipeline.stream.timeouts import is_valid

_BEFORE: Final = "log_id != {log:UUID} OR log_offset < {offsets:Array(UInt64)}[log_partition + 1]"

_LOG_TIMES: Final = """
SELECT log_partition, max(appended_at_ms) AS reached_at_ms
FROM (
    SELECT log_partition, log_offset, appended_at_ms FROM trace_fields WHERE log_id = {log:UUID}
    UNION ALL SELECT log_partition, log_offset, appended_at_ms FROM controls WHERE log_id = {log:UUID}
)
WHERE log_offset < {offsets:Array(UInt64)}[log_partition + 1]
GROUP BY log_partition"""

# Each partition holds the same settings; those of a log that is lost are taken from any.
_SETTINGS: Final = f"""
SELECT
    JSONExtractString(value, 'workspace') AS workspace,
    if(log_id = {{log:UUID}}, toInt32(log_partition), -1) AS partition,
    argMax(value, (JSONExtractInt(value, 'requested_at_us'), toUInt128(log_id), appended_at_ms, log_offset)) AS newest
FROM controls
WHERE kind = 'setting' AND isValidJSON(value) AND ({_BEFORE})
GROUP BY workspace, partition
ORDER BY workspace, partition"""  # noqa: S608 - made of our own constants only

# Log ids are UUIDv7, so (log id, offset) orders what happened to a thread over logs. Rows may be stored twice.
_OPEN_SESSIONS: Final = f"""
WITH
    told AS (
        SELECT
            workspace, project_id, thread_id, session_log_id, session_partition, first_offset, opened_at_us,
            (toUInt128(session_log_id), first_offset) AS beginning,
            (toUInt128(last_log_id), last_offset + 1) AS behind,
            event = 'opened' AS is_opened,
            event = 'closed' AND (
                session_log_id != {{log:UUID}}
                OR assumeNotNull(closed_at_us) <= {{log_times:Array(Int64)}}[session_partition + 1]
            ) AS is_closed
        FROM thread_events
        WHERE event IN ('opened', 'closed') AND (
            session_log_id != {{log:UUID}} OR first_offset < {{offsets:Array(UInt64)}}[session_partition + 1]
        )
    ),
    sessions AS (
        SELECT
            workspace, project_id, thread_id,
            max(beginning) AS newest,
            countIf(is_closed) > 0 AND maxIf(beginning, is_closed) = newest AS is_over,
            if(is_over, maxIf(behind, is_closed), newest) AS since,
            argMax((session_log_id, session_partition, first_offset, opened_at_us), beginning) AS begun,
            maxIf(beginning, is_opened) = newest AS is_told
        FROM told
        GROUP BY workspace, project_id, thread_id
    ),
    named AS (
        SELECT
            workspace, if(project_id = toUUID('{NIL_ID}'), {DEFAULT_PROJECT_SQL}, project_id) AS project_id, thread_id,
            log_id, log_partition, toInt64(log_offset) AS place_offset, appended_at_ms,
            (toUInt128(log_id), place_offset) AS place
        FROM trace_fields
        WHERE thread_id != '' AND event != 'delete' AND ({_BEFORE})
    ),
    activity AS (
        SELECT
            workspace, project_id, thread_id,
            uniqExact(place) AS activities,
            argMin((log_id, log_partition, place_offset, appended_at_ms), place) AS first,
            argMax((log_id, place_offset), place) AS last,
            max(appended_at_ms) AS last_at_ms
        FROM named LEFT JOIN sessions USING (workspace, project_id, thread_id)
        WHERE place >= sessions.since
        GROUP BY workspace, project_id, thread_id
    ),
    open AS (
        SELECT
            workspace, project_id, thread_id, activities, last_at_ms, last,
            NOT is_over AND begun.1 != toUUID('{NIL_ID}') AS goes_on,
            if(goes_on, begun, (first.1, first.2, first.3, first.4 * 1000)) AS began,
            goes_on AND is_told AS is_known
        FROM activity LEFT JOIN sessions USING (workspace, project_id, thread_id)
        UNION ALL
        SELECT
            workspace, project_id, thread_id, 0, 0, (begun.1, begun.3), true, begun, is_told
        FROM sessions
        WHERE NOT is_over AND (workspace, project_id, thread_id) NOT IN (
            SELECT workspace, project_id, thread_id FROM activity
        )
    )
SELECT
    workspace, project_id, thread_id, activities, is_known,
    began.1 AS log_id, began.2 AS log_partition, began.3 AS first_offset, began.4 AS opened_at_us,
    last.1 AS last_log_id, last.2 AS last_offset, greatest(last_at_ms * 1000, opened_at_us) AS last_activity_at_us
FROM open"""  # noqa: S608 - made of our own constants only


@dataclass(frozen=True, slots=True)
class Place:
    """An offset in each partition of the log `log_id`, from which reading is to go on."""

    log_id: UUID
    offsets: Sequence[int]

    def parameters(self) -> dict[str, object]:
        """Return the parameters that the queries have in common."""
        return {"log": str(self.log_id), "offsets": list(self.offsets)}


async def log_times_us(client: ClickHouse, place: Place) -> list[int]:
    """Return the log time before the offset of each partition, as far as its records are stored; else 0."""
    rows = await client.rows(_LOG_TIMES, place.parameters())
    reached = {row["log_partition"]: row["reached_at_ms"] * 1000 for row in rows}
    return [reached.get(number, 0) for number in range(len(place.offsets))]


async def settings_in_effect(client: ClickHouse, place: Place) -> list[list[Setting]]:
    """Return, for each partition, the setting of each workspace; that of a lost log where this one has no later one."""
    found: list[dict[str, Setting]] = [{} for _ in place.offsets]
    for row in await client.rows(_SETTINGS, place.parameters()):
        setting = _valid(row["newest"])
        if setting is None:
            continue
        for settings in found if row["partition"] < 0 else [found[row["partition"]]]:
            known = settings.get(row["workspace"])
            if known is None or known.requested_at_us <= setting.requested_at_us:
                settings[row["workspace"]] = setting
    return [list(settings.values()) for settings in found]


async def open_sessions(
    client: ClickHouse, place: Place, times_us: Sequence[int]
) -> AsyncIterator[Sequence[OpenSession]]:
    """Yield the sessions that are open at `place`, in runs; `times_us` are its log times."""
    parameters = place.parameters() | {"log_times": list(times_us)}
    async for rows in client.stream(_OPEN_SESSIONS, parameters):
        yield [_session(row) for row in rows]


def _session(row: Mapping[str, Any]) -> OpenSession:
    return OpenSession(
        ThreadRef(row["workspace"], row["project_id"], row["thread_id"]),
        Extent(row["log_id"], row["log_partition"], row["first_offset"], row["last_log_id"], row["last_offset"]),
        opened_at_us=row["opened_at_us"],
        last_activity_at_us=row["last_activity_at_us"],
        activities=row["activities"],
        is_told=bool(row["is_known"]),
    )


def _valid(value: str) -> Setting | None:
    """Return a setting as the stream would take it; None where it would not."""
    try:
        setting = SETTING_DECODER.decode(value)
    except msgspec.ValidationError:
        return None
    return setting if is_valid(setting) else None
