"""What becomes of commands: each is decided where it stands in the log, and answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from pipeline.events.controls import COMMAND_DECODER, Command
from pipeline.events.envelope import HEADER_REPLY_TO, HEADER_REQUEST_ID
from pipeline.events.identity import ThreadRef, session_id
from pipeline.events.threads import CommandReply
from pipeline.stream.partition import SESSION_REMEMBERED_US, Answer, Partition, SessionChange
from pipeline.stream.sessions import begin, end, thread_of
from pipeline.stream.thread_state import OPEN, ThreadState, extent_of

Outcome = Literal["applied", "ignored", "refused"]


class Asked(NamedTuple):
    """One command, where it stands, and what is remembered of its thread."""

    key: bytes
    thread: ThreadRef
    state: ThreadState | None
    offset: int
    command: Command

    @property
    def open_state(self) -> ThreadState | None:
        """The state of the thread if it is open."""
        return self.state if self.state is not None and self.state.closed_at_us == OPEN else None


def decide(
    partition: Partition,
    kind: str,
    *,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]],
) -> None:
    """Decide one command of a kind in RULES; one that cannot be read is counted and has no effect."""
    thread, command = thread_of(key), _command_of(kind, value)
    if key is None or thread is None or command is None:
        partition.tally.undecodable[kind] += 1
        return
    state = partition.state_of(key)
    if state is not None and offset <= state.applied_offset:
        partition.tally.replayed += 1
        return
    outcome = RULES[kind](partition, Asked(key, thread, state, offset, command))
    if outcome == "refused":
        partition.tally.refused[kind] += 1
    _mark_applied(partition, key, offset)
    _answer(partition, headers, outcome)


def _close(partition: Partition, asked: Asked) -> Outcome:
    if (state := asked.open_state) is None:
        return "ignored"
    end(partition, asked.key, state, "requested", at_us=partition.log_time_us, applied_offset=asked.offset)
    partition.deadlines.leave(asked.key)
    return "applied"


def _open(partition: Partition, asked: Asked) -> Outcome:
    if asked.open_state is not None:
        return "ignored"
    begin(partition, asked.key, asked.offset, activities=0)
    return "applied"


def _delete(partition: Partition, asked: Asked) -> Outcome:
    """End the session; of a thread that is not open, one that begins and ends here tells the moment of deletion."""
    now_us = partition.log_time_us
    if (state := asked.open_state) is not None:
        end(partition, asked.key, state, "deleted", at_us=now_us, applied_offset=asked.offset)
        partition.deadlines.leave(asked.key)
        return "applied"
    moment = ThreadState(asked.offset, asked.offset, asked.offset, now_us, now_us, now_us, 0)
    partition.put_marker(asked.key, moment)
    partition.tally.closed["deleted"] += 1
    partition.emit(SessionChange(asked.key, "closed", now_us, moment, "deleted"))
    return "applied"


def _score(partition: Partition, asked: Asked) -> Outcome:
    state = asked.open_state
    if state is not None and partition.timeouts.regime(asked.thread.workspace) == "strict":
        partition.emit(SessionChange(asked.key, "refused", partition.log_time_us, state, "thread_open"))
        return "refused"
    return _accept(partition, asked, "set")


def _unscore(partition: Partition, asked: Asked) -> Outcome:
    return _accept(partition, asked, "delete")


def _accept(partition: Partition, asked: Asked, event: Literal["set", "delete"]) -> Outcome:
    score = asked.command.score
    if score is None:  # `_command_of` lets no such command through
        raise AssertionError("a score command without a score")
    session = _session_of(partition, asked.state)
    decided = replace(
        score, event=event, session_id=session, decided_log_id=partition.log_id, decided_offset=asked.offset
    )
    partition.emit(decided)
    return "applied"


def _session_of(partition: Partition, state: ThreadState | None) -> str | None:
    """Return the id of the open or just closed session; how long it is known depends on log time only."""
    if state is None:
        return None
    is_over = state.closed_at_us != OPEN
    if is_over and partition.log_time_us >= state.closed_at_us + SESSION_REMEMBERED_US:
        return None
    extent = extent_of(state, log_id=partition.log_id, partition=partition.number)
    return session_id(extent.log_id, extent.partition, extent.first_offset)


def _command_of(kind: str, value: bytes | None) -> Command | None:
    try:
        command = COMMAND_DECODER.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if kind in _NEED_SCORE and command.score is None else command


def _mark_applied(partition: Partition, key: bytes, offset: int) -> None:
    """Let a replay know that this command was decided, also where it changed nothing.

    Without this a state that is ahead of the replay could answer differently: closed meanwhile, it would accept a score
    that was refused. A thread of which nothing is remembered needs no mark: what opens it later stands behind this.
    """
    state = partition.state_of(key)
    if state is not None and state.applied_offset < offset:
        partition.put(key, state._replace(applied_offset=offset))


def _answer(partition: Partition, headers: Sequence[tuple[str, bytes]], outcome: Outcome) -> None:
    found = dict(headers)
    reply_to, request_id = found.get(HEADER_REPLY_TO), found.get(HEADER_REQUEST_ID)
    if reply_to is None or request_id is None:
        return  # nobody waits
    try:
        target, name = int(reply_to), request_id.decode()
    except ValueError:
        partition.tally.undecodable["reply-to"] += 1
        return
    reason = "thread_open" if outcome == "refused" else None
    partition.emit(Answer(target, CommandReply(request_id=name, outcome=outcome, reason=reason)))


RULES: Final[Mapping[str, Callable[[Partition, Asked], Outcome]]] = {
    "close": _close,
    "open": _open,
    "delete": _delete,
    "score": _score,
    "unscore": _unscore,
}

_NEED_SCORE: Final = frozenset({"score", "unscore"})
