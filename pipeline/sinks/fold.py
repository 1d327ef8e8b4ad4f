"""Fold what an insert touched into the tables for reading lists: one row a trace, one row a span.

The whole fold is done in ClickHouse. Of the events that name a field, the one with the largest (version, content hash)
gives it. The row that folded more distinct events wins (`ReplacingMergeTree(events)`): of two sinks that fold the same
trace at once, each after its own insert, the later one has seen what the earlier one saw.

Places. A trace lies in `traces` under its project and thread, and both can change with any event. An earlier fold may
have put it wherever some of its events alone would; at each such place but the last an is_deleted row of the same
version goes out too. Those places are

* every named project with every named thread,
* a named project without a thread, where one event named the project but no thread,
* the workspace's Default Project with a named thread, or without one, where one event named no project.
"""

from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.identity import DEFAULT_PROJECT_NAME
from pipeline.sinks.ranges import Covered

_NIL: Final = "toUUID('00000000-0000-0000-0000-000000000000')"
_VERSION: Final = "(version_us, content_hash)"
_TAGS: Final = """
    maxIf(version_us, tags_reset) AS reset_us,
    countIf(tags_reset) > 0 AS has_reset,
    maxMap(tags_added, arrayMap(tag -> version_us, tags_added)) AS added,
    maxMap(tags_removed, arrayMap(tag -> version_us, tags_removed)) AS removed,
    arraySort(arrayFilter(
        (tag, added_us) -> (NOT has_reset OR added_us >= reset_us)
            AND (NOT has(removed.1, tag) OR arrayElement(removed.2, indexOf(removed.1, tag)) <= added_us),
        added.1, added.2
    )) AS tags"""
_COUNTS: Final = """
    min(received_at_us) AS created_at_us,
    max(version_us) AS last_updated_at_us,
    min(version_us) AS first_version_us,
    uniqExact(log_id, log_partition, log_offset) AS events,
    max(event = 'delete') AS has_tombstone"""


def _newest(column: str) -> str:
    """Return the SQL of a nullable column's newest value; argMax passes over NULL."""
    return f"argMax({column}, {_VERSION})"


def _newest_where(column: str, condition: str) -> str:
    return f"argMaxIf({column}, {_VERSION}, {condition})"


def _uuid5_sql(namespace: str, name: str) -> str:
    """Return the SQL of a UUIDv5 (RFC 9562, section 5.5): 16 bytes of SHA-1, with the bits of version and variant."""
    digest = f"reinterpretAsUInt128(reverse(substring(SHA1(concat(unhex('{namespace}'), {name})), 1, 16)))"
    cleared = "bitNot(bitOr(bitShiftLeft(toUInt128(0xF000), 64), bitShiftLeft(toUInt128(0xC000), 48)))"
    marked = "bitOr(bitShiftLeft(toUInt128(0x5000), 64), bitShiftLeft(toUInt128(0x8000), 48))"
    return f"toUUID(lower(hex(bitOr(bitAnd({digest}, {cleared}), {marked}))))"


