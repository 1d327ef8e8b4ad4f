"""What a client's `session_id` keeps between requests: a connection with its SETs, its USE and its temporary tables."""

from dataclasses import dataclass, field
from typing import Final

from pipeline.adapters.clock import Clock
from pipeline.local.clickhouse.engine import Connection, Engine
from pipeline.local.clickhouse.failures import (
    LIMIT_EXCEEDED,
    SESSION_IS_LOCKED,
    SESSION_NOT_FOUND,
    QueryFailed,
)

SESSIONS_MAX: Final = 1000
STATEMENTS_MAX: Final = 1000


@dataclass(slots=True)
class Session:
    """One session; `statements` are the SETs and USEs that its own requests ran, the last of each text."""

    connection: Connection
    expires_at: float = 0.0
    is_busy: bool = False
    statements: dict[bytes, None] = field(default_factory=dict)

    def remember(self, statement: bytes) -> None:
        """Keep a SET or USE, to be repeated after a request's own settings are undone."""
        self.statements.pop(statement, None)
        if len(self.statements) >= STATEMENTS_MAX:
            raise QueryFailed(
                LIMIT_EXCEEDED, "LIMIT_EXCEEDED", f"More than {STATEMENTS_MAX} SET statements in a session"
            )
        self.statements[statement] = None


class Sessions:
    """All sessions; to be used on the event loop only, where each call is atomic."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def take(self, session_id: str, *, is_checked: bool) -> Session:
        """Return the session, made if need be, for one request.

        Raises QueryFailed: SESSION_IS_LOCKED while another request has it, SESSION_NOT_FOUND if it must exist and
        does not.
        """
        self._forget_expired()
        session = self._sessions.get(session_id)
        if session is None:
            if is_checked:
                raise QueryFailed(SESSION_NOT_FOUND, "SESSION_NOT_FOUND", f"Session {session_id} not found")
            if len(self._sessions) >= SESSIONS_MAX:
                raise QueryFailed(LIMIT_EXCEEDED, "LIMIT_EXCEEDED", f"More than {SESSIONS_MAX} sessions")
            session = self._sessions[session_id] = Session(self._engine.connect())
        elif session.is_busy:
            raise QueryFailed(
                SESSION_IS_LOCKED, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client"
            )
        session.is_busy = True
        return session

    def give_back(self, session: Session, *, lives_seconds: int) -> None:
        """End the request that took the session; it is forgotten `lives_seconds` from now unless taken again."""
        session.is_busy = False
        session.expires_at = self._clock.monotonic() + lives_seconds

    def close(self) -> None:
        """Close every session; none may be busy."""
        for session in self._sessions.values():
            session.connection.close()
        self._sessions.clear()

    def _forget_expired(self) -> None:
        now = self._clock.monotonic()
        expired = [key for key, session in self._sessions.items() if not session.is_busy and session.expires_at <= now]
        for key in expired:
            self._sessions.pop(key).connection.close()
