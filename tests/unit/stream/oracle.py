"""The lives of threads, said a second time and as plainly as possible: for each thread the whole log is read again.

No wheel, no packed state, no replay, no shared state between threads; nothing of `pipeline.stream` is imported.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from pipeline.events.identity import parse_thread_key, thread_model_id

DEFAULT_TIMEOUT_MS = 15 * 60 * 1000
REMEMBERED_US = 60_000_000
TIMEOUT_MS_MAX = 7 * 24 * 3600 * 1000

Emitted = tuple[str, dict[str, Any]]
"""Topic, and the decoded value; of a reply also its partition."""


class Logged(Protocol):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass
class Session:
    first_offset: int
    last_offset: int
    opened_at_us: int
    last_activity_at_us: int
    activities: int
    closed_at_us: int | None = None


def expected(log: Sequence[Logged], *, log_id: UUID, partition: int) -> list[Emitted]:
    """Return all that the stream must emit about one partition."""
    keys = {record.key for record in log if record.key is not None and is_thread(record.key)}
    return [emitted for key in sorted(keys) for emitted in Life(key, log_id, partition).read(log)]


def is_thread(key: bytes) -> bool:
    try:
        parse_thread_key(key)
    except ValueError:
        return False
    return True


class Life:
    """One thread."""

    def __init__(self, key: bytes, log_id: UUID, partition: int) -> None:
        self.key = key
        self.thread = parse_thread_key(key)
        self.log_id = log_id
        self.partition = partition
        self.now_us = 0
        self.settings: dict[str | None, dict[str, Any]] = {}
        self.session: Session | None = None

    def read(self, log: Iterable[Logged]) -> Iterator[Emitted]:
        for record in log:
            self.now_us = max(self.now_us, record.timestamp * 1000)
            yield from self.close_if_due(at_us=None)
            kind = dict(record.headers).get("kind", b"").decode()
            if kind == "setting":
                said = decoded(record.value)
                newest = {} if said is None else self.settings.get(said.get("workspace"), {})
                is_newest = said is not None and said.get("requested_at_us", 0) >= newest.get("requested_at_us", 0)
                if said is not None and is_newest and (said.get("timeout_ms") or 1) <= TIMEOUT_MS_MAX:
                    self.settings[said.get("workspace")] = said
                    yield from self.close_if_due(at_us=self.now_us)
            elif record.key == self.key:
                yield from self.apply(kind, record)

    @property
    def is_open(self) -> bool:
        return self.session is not None and self.session.closed_at_us is None

    def setting(self, name: str, otherwise: Any) -> Any:
        own, default = self.settings.get(self.thread.workspace, {}), self.settings.get(None, {})
        return own.get(name) or default.get(name) or otherwise

    def close_if_due(self, at_us: int | None) -> Iterator[Emitted]:
        if self.session is not None and self.is_open:
            deadline_us = self.session.last_activity_at_us + self.setting("timeout_ms", DEFAULT_TIMEOUT_MS) * 1000
            if deadline_us <= self.now_us:
                yield self.close("inactive", deadline_us if at_us is None else at_us)

    def close(self, reason: str, at_us: int) -> Emitted:
        assert self.session is not None
        self.session.closed_at_us = at_us
        return self.event("closed", at_us, reason)

    def begin(self, record: Logged, activities: int) -> None:
        self.session = Session(record.offset, record.offset, self.now_us, self.now_us, activities)

    def apply(self, kind: str, record: Logged) -> Iterator[Emitted]:
        if kind == "trace":
            yield from self.be_active(record)
        elif kind in ("close", "open", "delete", "score", "unscore"):
            command = decoded(record.value)
            asks_for_score = kind in ("score", "unscore")
            if command is not None and "requested_at_us" in command and ("score" in command or not asks_for_score):
                outcome, said = (
                    self.decide_score(kind, command["score"], record)
                    if asks_for_score
                    else self.decide_session(kind, record)
                )
                yield from said
                yield from self.answer(record, outcome)

    def be_active(self, record: Logged) -> Iterator[Emitted]:
        if self.session is not None and self.is_open:
            self.session.last_offset = record.offset
            self.session.last_activity_at_us = self.now_us
            self.session.activities += 1
        else:
            self.begin(record, 1)
            yield self.event("opened", self.now_us, None)

    def decide_session(self, kind: str, record: Logged) -> tuple[str, list[Emitted]]:
        if kind == "delete":
            if not self.is_open:
                self.begin(record, 0)
            return "applied", [self.close("deleted", self.now_us)]
        if self.is_open == (kind == "open"):
            return "ignored", []
        if kind == "close":
            return "applied", [self.close("requested", self.now_us)]
        self.begin(record, 0)
        return "applied", [self.event("opened", self.now_us, None)]

    def decide_score(self, kind: str, score: dict[str, Any], record: Logged) -> tuple[str, list[Emitted]]:
        if kind == "score" and self.is_open and self.setting("score_regime", "strict") == "strict":
            return "refused", [self.event("refused", self.now_us, "thread_open")]
        return "applied", [self.score(score, "set" if kind == "score" else "delete", record.offset)]

    def score(self, score: dict[str, Any], event: str, offset: int) -> Emitted:
        decided = {**score, "event": event, "decided_log_id": str(self.log_id), "decided_offset": offset}
        session = self.session
        if session is not None and (self.is_open or self.now_us < (session.closed_at_us or 0) + REMEMBERED_US):
            decided["session_id"] = f"{self.log_id}:{self.partition}:{session.first_offset}"
        return "scores", decided

    def answer(self, record: Logged, outcome: str) -> Iterator[Emitted]:
        headers = dict(record.headers)
        if "reply-to" in headers and "request-id" in headers:
            reply: dict[str, Any] = {"request_id": headers["request-id"].decode(), "outcome": outcome}
            if outcome == "refused":
                reply["reason"] = "thread_open"
            yield "thread-replies", {"partition": int(headers["reply-to"]), **reply}

    def event(self, event: str, at_us: int, reason: str | None) -> Emitted:
        assert self.session is not None
        said: dict[str, Any] = {
            "workspace": self.thread.workspace,
            "version_us": at_us + (event == "closed"),
            "received_at_us": at_us,
            "project_id": str(self.thread.project_id),
            "thread_id": self.thread.thread_id,
            "thread_model_id": str(thread_model_id(self.thread.project_id, self.thread.thread_id)),
            "event": event,
            "session_id": f"{self.log_id}:{self.partition}:{self.session.first_offset}",
            "session_log_id": str(self.log_id),
            "session_partition": self.partition,
            "first_offset": self.session.first_offset,
            "last_offset": self.session.last_offset,
            "opened_at_us": self.session.opened_at_us,
            "last_activity_at_us": self.session.last_activity_at_us,
        }
        if event == "closed":
            said["closed_at_us"] = at_us
        if reason is not None:
            said["reason"] = reason
        if self.session.activities:
            said["activities"] = self.session.activities
        return "threads", said


def decoded(value: bytes | None) -> dict[str, Any] | None:
    """Return the JSON object that `value` is, None where it is none."""
    try:
        found = json.loads(value or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
