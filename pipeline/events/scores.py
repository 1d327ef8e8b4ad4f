"""A feedback score was set on, or deleted from, a trace, a span or a thread.

A score is (entity, name, author). Scores of threads are first asked for in the log of threads (`controls.SetScore`) and
written here by the stream once it has accepted them, with the place in the log where it decided.
"""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from pipeline.events.envelope import Event, Record, record_of

EntityType = Literal["trace", "span", "thread"]
ScoreSource = Literal["ui", "sdk", "online_scoring"]


class ScoreEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What one request said of a score.

    `entity_id` is the trace's or span's id, or the thread's model id. `value` has nine decimal places. A deletion
    without `author` deletes what every author gave under that name. `session_id` is set for threads, `decided_*` for
    those of their scores that the stream accepted.

    A score that an evaluator gave is known by (session, author, name). Its author is the rule and the evaluator, its
    version the end of the session, so that a repeated evaluation gives the same score and a later session's is newer;
    `source_queue_id` says which rule, evaluator and version of it.
    """

    entity_type: EntityType
    entity_id: UUID
    event: Literal["set", "delete"]
    name: str
    author: str | None = None
    value: Decimal | None = None
    source: ScoreSource | None = None
    category_name: str | None = None
    reason: str | None = None
    source_queue_id: str | None = None
    project_id: UUID | None = None
    project_name: str | None = None
    thread_id: str | None = None
    session_id: str | None = None
    decided_log_id: UUID | None = None
    decided_offset: int | None = None

    def record(self) -> Record:
        """Return the record for the topic `scores`."""
        return record_of(self, "score", str(self.entity_id).encode())
