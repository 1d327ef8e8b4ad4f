"""Closes of threads that tests put into storage."""

from typing import Literal
from uuid import UUID

from pipeline.events.identity import session_id
from pipeline.events.threads import ThreadEvent
from tests.support.stored import Log


def session_closed(
    log: Log, thread_id: str, first: int, last: int, *, closed_at_us: int | None = None,
    reason: Literal["inactive", "requested"] = "inactive",
) -> ThreadEvent:  # fmt: skip
    """Return the close of the session that spans the offsets `first` to `last` of the log; by default it closes now."""
    project: UUID = log.project
    return ThreadEvent(
        workspace=log.workspace, version_us=log.now_us, received_at_us=log.now_us, project_id=project,
        thread_id=thread_id, thread_model_id=log.model(thread_id), event="closed",
        session_id=session_id(log.log_id, 0, first), session_log_id=log.log_id, session_partition=0,
        first_offset=first, last_offset=last, opened_at_us=0, last_activity_at_us=0,
        closed_at_us=log.now_us if closed_at_us is None else closed_at_us, reason=reason, activities=1,
    )  # fmt: skip
