"""Dead letters that were published again become the rows they would have been where they stood first.

A row is known by its place in the log, so a second replay of the same letter stores the same row, which collapses. At
the place of the replayed record itself a control says which letter it was: it counts in reconciliation, and tells how
often a letter was replayed.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.errors import Undecodable
from pipeline.sinks.batch import Poison, Replay, Row
from pipeline.sinks.routes import CONTROLS, NewerSchema, Router, Table, control_value, replay_value
from pipeline.sinks.splice import head_of, splice

ROWS_PER_INSERT_MAX: Final = 500
"""Rows whose places are named one by one in a query, when they are counted."""


class Share(NamedTuple):
    """Rows for one table that stood in one log, in the order of their places."""

    table: Table
    log_id: UUID
    rows: Sequence[Row]


def shares_of(router: Router, topic: str, replays: Sequence[Replay]) -> tuple[list[Share], list[Poison]]:
    """Return `replays` as rows, each origin once, and those that still can be none."""
    found: dict[tuple[Table, UUID], dict[tuple[int, int], Row]] = {}
    poison: list[Poison] = []
    for replay in replays:
        origin = replay.origin
        try:
            table = router.table_of(replay.headers)
            rows = found.setdefault((table, origin.log_id), {})
            rows[origin.partition, origin.offset] = _row_of(topic, table, replay)
        except (Undecodable, NewerSchema) as error:
            poison.append(_poison_of(replay, str(error)))
    shares = []
    for (table, log_id), by_place in found.items():
        rows_in_order = [by_place[place] for place in sorted(by_place)]
        shares += [
            Share(table, log_id, rows_in_order[start : start + ROWS_PER_INSERT_MAX])
            for start in range(0, len(rows_in_order), ROWS_PER_INSERT_MAX)
        ]
    return shares, poison


def markers_of(topic: str, log_id: UUID, replays: Sequence[Replay]) -> list[Row]:
    """Return the controls that stand at the places of `replays` themselves."""
    return [
        Row(
            splice(
                head_of(log_id, replay.partition),
                replay.offset,
                replay.appended_at_ms,
                replay_value(topic, replay.origin),
            ),
            replay.partition,
            replay.offset,
            replay.appended_at_ms,
            replay.key,
            replay.headers,
        )
        for replay in replays
    ]


def _row_of(topic: str, table: Table, replay: Replay) -> Row:
    origin, value = replay.origin, replay.value
    if table is CONTROLS:
        value = control_value(topic, replay.headers, replay.key, value)
    line = splice(head_of(origin.log_id, origin.partition), origin.offset, origin.appended_at_ms, value)
    return Row(line, origin.partition, origin.offset, origin.appended_at_ms, replay.key, replay.headers)


def _poison_of(replay: Replay, reason: str) -> Poison:
    return Poison(
        partition=replay.partition,
        offset=replay.offset,
        appended_at_ms=replay.appended_at_ms,
        key=replay.key,
        value=replay.value,
        headers=replay.headers,
        code=0,
        reason=reason,
        origin=replay.origin,
    )
