"""Dead letters as they lie in storage: found by filters, read whole, and counted how often they were replayed."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.dead_letters import Origin, bytes_of
from pipeline.events.envelope import Headers
from pipeline.sinks.dead_letters import VALUE_BYTES_MAX
from pipeline.sinks.routes import REPLAY_KIND

# A record may have been set aside more than once; where it stood names it. What never stood in a log has its own place.
_ID: Final = """if(
    isNull(origin_offset), concat(toString(log_id), ':', toString(log_partition), ':', toString(log_offset)),
    concat(toString(origin_log_id), ':', toString(origin_partition), ':', toString(origin_offset))
)"""
_FILTERS: Final = {
    "id": f"{_ID} = {{id:String}}",
    "topic": "topic = {topic:String}",
    "stage": "stage = {stage:String}",
    "workspace": "workspace = {workspace:String}",
    "code": "code = {code:Int32}",
    "since_us": "received_at_us >= {since_us:Int64}",
    "until_us": "received_at_us < {until_us:Int64}",
}
_LETTERS: Final = f"""
SELECT letters.* EXCEPT (latest), replayed.replays AS replays
FROM (
    SELECT
        {_ID} AS letter_id, received_at_us, stage, topic, workspace, code, reason, origin_log_id, origin_partition,
        origin_offset, version_us, __PAYLOAD__, appended_at_ms AS latest
    FROM dead_letters
    WHERE __WHERE__
    ORDER BY latest DESC
    LIMIT 1 BY letter_id
) AS letters
LEFT JOIN (
    SELECT key AS letter_id, uniqExact(log_id, log_partition, log_offset) AS replays
    FROM controls WHERE kind = '{REPLAY_KIND}'
    GROUP BY letter_id
) AS replayed USING (letter_id)
ORDER BY __ORDER__
LIMIT {{letters_max:UInt64}}"""  # noqa: S608 - made of our own constants only
_SUMMARY: Final = "ifNull(intDiv(length(value) * 3, 4), 0) AS value_bytes"
_WHOLE: Final = "key, value, headers"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which letters; None says nothing. Times are microseconds since 1970 UTC, of receipt, `until_us` excluded."""

    id: str | None = None
    topic: str | None = None
    stage: str | None = None
    workspace: str | None = None
    code: int | None = None
    since_us: int | None = None
    until_us: int | None = None

    def parameters(self) -> dict[str, object]:
        """Return what is said, by name."""
        said = {name: getattr(self, name) for name in _FILTERS}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter with the original bytes; `replays` counts how often it came again.

    `origin` is None where it never stood in a log: then it is an item of a request to the gateway.
    """

    letter_id: str
    topic: str
    reason: str
    origin: Origin | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    replays: int

    @property
    def is_cut(self) -> bool:
        """Whether it was too long to be kept whole."""
        return len(self.value or b"") >= VALUE_BYTES_MAX


async def summaries(client: ClickHouse, filters: Filters, *, letters_max: int) -> list[dict[str, Any]]:
    """Return the letters, the newest first, each without its bytes; raises StorageUnavailable."""
    sql = _sql(filters, _SUMMARY, "received_at_us DESC, letter_id")
    return await client.rows(sql, filters.parameters() | {"letters_max": letters_max})


async def whole(client: ClickHouse, filters: Filters, *, letters_max: int) -> AsyncGenerator[Letter]:
    """Yield the letters in the order in which they stood in their logs; raises StorageUnavailable."""
    sql = _sql(filters, _WHOLE, "topic, origin_log_id, origin_partition, origin_offset, letter_id")
    async for rows in client.stream(sql, filters.parameters() | {"letters_max": letters_max}):
        for row in rows:
            yield _letter(row)


def _sql(filters: Filters, payload: str, order: str) -> str:
    where = " AND ".join(_FILTERS[name] for name in filters.parameters()) or "true"
    return _LETTERS.replace("__PAYLOAD__", payload).replace("__WHERE__", where).replace("__ORDER__", order)


def _letter(row: Mapping[str, Any]) -> Letter:
    origin = None
    if row["origin_offset"] is not None:
        origin = Origin(row["origin_log_id"], row["origin_partition"], row["origin_offset"], row["version_us"] // 1000)
    return Letter(
        letter_id=row["letter_id"],
        topic=row["topic"],
        reason=row["reason"],
        origin=origin,
        key=bytes_of(row["key"]),
        value=bytes_of(row["value"]),
        headers=tuple((name, bytes_of(value) or b"") for name, value in row["headers"]),
        replays=row["replays"],
    )
