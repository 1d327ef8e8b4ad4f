from uuid import UUID

import msgspec

from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import Headers, headers_of
from pipeline.sinks.batch import Replay
from pipeline.sinks.replays import ROWS_PER_INSERT_MAX, markers_of, shares_of
from pipeline.sinks.routes import CONTROLS, TRACE_EVENTS, Router

TRACE = headers_of("trace")
OLD, NEW = UUID(int=1), UUID(int=2)


def replay(
    origin_offset: int,
    offset: int,
    *,
    log_id: UUID = OLD,
    value: bytes = b'{"a":1}',
    headers: Headers = TRACE,
) -> Replay:
    return Replay(Origin(log_id, 1, origin_offset, 500), 3, offset, 900, b"k", value, headers)


def test_a_replay_is_the_row_it_would_have_been_where_it_stood_first() -> None:
    [share], poison = shares_of(Router("traces"), "traces", [replay(7, 40)])

    assert (share.table, share.log_id, poison) == (TRACE_EVENTS, OLD, [])
    assert msgspec.json.decode(share.rows[0].line) == {
        "log_id": str(OLD), "log_partition": 1, "log_offset": 7, "appended_at_ms": 500, "a": 1,
    }  # fmt: skip


def test_a_letter_that_comes_twice_is_one_row_and_rows_stand_in_the_order_of_their_places() -> None:
    [share], _ = shares_of(Router("traces"), "traces", [replay(9, 40), replay(7, 41), replay(9, 42)])

    assert [row.offset for row in share.rows] == [7, 9]


def test_rows_are_shared_out_by_log_and_table_and_by_how_many_one_query_can_name() -> None:
    close = replay(3, 39, headers=headers_of("close"))
    many = [replay(offset, offset, log_id=NEW) for offset in range(ROWS_PER_INSERT_MAX + 1)]
    shares, _ = shares_of(Router("traces"), "traces", [replay(7, 40), close, *many])

    assert [(share.table, share.log_id, len(share.rows)) for share in shares] == [
        (TRACE_EVENTS, OLD, 1), (CONTROLS, OLD, 1), (TRACE_EVENTS, NEW, ROWS_PER_INSERT_MAX), (TRACE_EVENTS, NEW, 1),
    ]  # fmt: skip


def test_what_still_cannot_be_a_row_becomes_the_letter_that_it_was() -> None:
    _, poison = shares_of(Router("traces"), "traces", [replay(7, 40, value=b"[]"), replay(8, 41, headers=())])

    assert [(one.origin and one.origin.offset, one.offset, one.value) for one in poison] == [
        (7, 40, b"[]"), (8, 41, b'{"a":1}'),
    ]  # fmt: skip


def test_a_marker_stands_at_the_place_of_the_replay_itself() -> None:
    [marker] = markers_of("traces", NEW, [replay(7, 40)])

    assert (marker.partition, marker.offset) == (3, 40)
    assert msgspec.json.decode(marker.line) == {
        "log_id": str(NEW), "log_partition": 3, "log_offset": 40, "appended_at_ms": 900,
        "topic": "traces", "kind": "replay", "key": f"{OLD}:1:7", "value": "",
    }  # fmt: skip
