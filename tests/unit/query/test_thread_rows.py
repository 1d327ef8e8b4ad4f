from uuid import UUID

import msgspec

from pipeline.query.thread_rows import Standing, State, ThreadRow, state_of

ROW = ThreadRow(
    thread_id="t", model=1, first_trace=2, first_id=UUID(int=2), last_id=UUID(int=2), first_events=1, last_events=1,
    first_bytes=1, last_bytes=1, start_us=None, end_us=None, messages=2, created_us=10, updated_us=20, source=None,
    environment=None, usage={}, cost=None, activity=100,
)  # fmt: skip
STANDING = Standing("t", session=50, closed_activity=100, is_closed=True, changed_at_us=30, deleted_at_us=7)


def test_a_thread_whose_latest_session_is_closed_is_inactive() -> None:
    assert state_of(ROW, STANDING) == State("inactive", reopened=50, deleted_at_us=7, last_updated_us=30)


def test_a_thread_with_an_open_session_is_active_since_that_began() -> None:
    is_open = msgspec.structs.replace(STANDING, is_closed=False, closed_activity=40)

    assert state_of(ROW, is_open) == State("active", reopened=50, deleted_at_us=7, last_updated_us=30)


def test_activity_after_the_close_makes_a_thread_active_before_its_session_is_stored() -> None:
    late = msgspec.structs.replace(ROW, activity=101, updated_us=40)

    assert state_of(late, STANDING) == State("active", reopened=101, deleted_at_us=7, last_updated_us=40)
