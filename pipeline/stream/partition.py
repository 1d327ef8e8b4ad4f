"""What the worker knows of one partition of the log, and what it has yet to make durable."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from pipeline.events.scores import ScoreEvent
from pipeline.events.threads import CloseReason, CommandReply
from pipeline.stream import thread_state
from pipeline.stream.deadlines import Deadlines
from pipeline.stream.thread_state import OPEN, ThreadState
from pipeline.stream.timeouts import Timeouts, is_setting_key

SESSION_REMEMBERED_US: Final = 60_000_000
"""For this long (log time) a closed session can still be named by an accepted score."""
SLICE_THREADS_MAX: Final = 1_000
"""After so many threads whoever goes through all of them lets others have a turn."""

REACHED_KEY: Final = b"reached"
"""The key under which a partition's changelog keeps its log time."""


class SessionChange(NamedTuple):
    """A session opened or closed, or refused a score, at log time `at_us`."""

    key: bytes
    event: Literal["opened", "closed", "refused"]
    at_us: int
    session: ThreadState
    reason: CloseReason | Literal["thread_open"] | None = None


class Answer(NamedTuple):
    """The answer to a command, for one partition of `thread-replies`."""

    partition: int
    reply: CommandReply


Output = SessionChange | ScoreEvent | Answer


class Checkpoint(NamedTuple):
    """What makes everything before `next_offset` durable; a value of None means that the key is forgotten."""

    next_offset: int
    log_time_us: int
    outputs: list[Output]
    states: list[tuple[bytes, bytes | None]]


class Reached(NamedTuple):
    """The log time before the record at `offset`."""

    offset: int
    log_time_us: int


_REACHED: Final = msgspec.json.Decoder(list[Reached])


@dataclass(slots=True)
class Tally:
    """What happened since the metrics were last told."""

    records: Counter[str] = field(default_factory=Counter)
    undecodable: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    repeated: int = 0
    traces: int = 0
    opened: int = 0
    replayed: int = 0


class Partition:
    """The state of one partition between two records, and its outputs; `lifecycle` is what moves it."""

    def __init__(self, number: int, log_id: UUID) -> None:
        self.number: Final = number
        self.log_id: Final = log_id
        self.threads: Final[dict[bytes, bytes]] = {}
        self.timeouts: Final = Timeouts()
        self.deadlines = Deadlines(self.deadline_of)
        self.log_time_us = 0
        self.next_offset = 0
        self.committed_offset = 0
        self.open_threads = 0
        self.tally = Tally()
        self.is_lost = False
        """Set for good when the partition is taken away or could not be made durable: nothing of it counts any more."""
        self._outputs: list[Output] = []
        self.changed: set[bytes] = set()
        """Threads whose state the changelog does not have yet; it is added to wherever `threads` is."""
        self._settings_said: set[bytes] = set()
        self._markers: deque[bytes] = deque()
        self._reached: list[Reached] = []

    @property
    def outputs_waiting(self) -> int:
        """How many outputs are not yet on their way."""
        return len(self._outputs)

    def restore(self, *, committed_offset: int, log_time_us: int | None) -> None:
        """Begin at the committed offset, with what the changelog put into `threads`, which may be ahead of it.

        `log_time_us` came with the commit; None if the broker lost it, then the changelog knows it. What comes next is
        `take_stock`.
        """
        self.next_offset = self.committed_offset = committed_offset
        self._reached = _REACHED.decode(self.threads.pop(REACHED_KEY, b"[]"))
        behind = [place.log_time_us for place in self._reached if place.offset <= committed_offset]
        self.log_time_us = max(behind, default=0) if log_time_us is None else log_time_us
        for key in [key for key in self.threads if is_setting_key(key)]:
            self.timeouts.restore(key, self.threads.pop(key), committed_offset)

    def schedule(self) -> Iterator[None]:
        """Make the deadlines anew, from the state and the settings.

        Yields now and then, so that others have a turn; no record may be applied before it has come to its end.
        """
        deadlines = Deadlines(self.deadline_of)
        for count, key in enumerate(list(self.threads), start=1):
            deadline_us = self.deadline_of(key)
            if deadline_us is not None:
                deadlines.add(key, deadline_us)
            if count % SLICE_THREADS_MAX == 0:
                yield
        self.deadlines = deadlines

    def take_stock(self) -> Iterator[None]:
        """Make the deadlines of what was restored and find the markers; yields as `schedule` does."""
        yield from self.schedule()
        self.open_threads = len(self.deadlines)
        for count, key in enumerate(list(self.threads), start=1):
            if thread_state.closed_at_us(self.threads[key]) != OPEN:
                self._markers.append(key)
            if count % SLICE_THREADS_MAX == 0:
                yield

    def deadline_of(self, key: bytes) -> int | None:
        """Return when an open thread closes unless it is active before; None for one that is not open."""
        packed = self.threads.get(key)
        if packed is None:
            return None
        _, _, _, _, last_activity_at_us, closed_at_us, _ = thread_state.unpack(packed)
        return last_activity_at_us + self.timeouts.timeout_us(key) if closed_at_us == OPEN else None

    def state_of(self, key: bytes) -> ThreadState | None:
        """Return what is remembered of a thread."""
        packed = self.threads.get(key)
        return None if packed is None else thread_state.read(packed)

    def put(self, key: bytes, state: ThreadState) -> None:
        """Remember the state of a thread."""
        self.threads[key] = thread_state.write(state)
        self.changed.add(key)

    def put_marker(self, key: bytes, state: ThreadState) -> None:
        """Remember a closed session until `sweep` may forget it."""
        self.put(key, state)
        self._markers.append(key)

    def touch(self, key: bytes) -> None:
        """Note that the changelog must be told about the setting under `key`."""
        self._settings_said.add(key)

    def emit(self, output: Output) -> None:
        """Add an output."""
        self._outputs.append(output)

    def take_outputs(self) -> list[Output]:
        """Hand over the outputs that wait."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def checkpoint(self) -> Checkpoint | None:
        """Hand over, in one step, all that is not durable yet; None if nothing is new since the last commit."""
        is_changed = self.changed or self._settings_said
        if self.next_offset == self.committed_offset and not self._outputs and not is_changed:
            return None
        states: list[tuple[bytes, bytes | None]] = list(
            zip(self.changed, map(self.threads.get, self.changed), strict=True)
        )
        states += [(key, self.timeouts.packed(key, self.committed_offset)) for key in self._settings_said]
        states.append((REACHED_KEY, self._reach(Reached(self.next_offset, self.log_time_us))))
        self.changed, self._settings_said = set(), set()
        return Checkpoint(self.next_offset, self.log_time_us, self.take_outputs(), states)

    def sweep(self, *, committed_offset: int, log_time_us: int, limit: int) -> bool:
        """Forget markers of closed sessions that neither a replay nor a score can ask for any more, up to `limit`.

        `log_time_us` is the log time at `committed_offset`, from where any replay begins. Returns whether there may be
        more to forget.
        """
        self.committed_offset = committed_offset
        for _ in range(min(limit, len(self._markers))):
            packed = self.threads.get(key := self._markers[0])
            if packed is not None:
                _, _, applied_offset, _, _, closed_at_us, _ = thread_state.unpack(packed)
                if closed_at_us != OPEN:
                    is_needed = applied_offset >= committed_offset
                    if is_needed or log_time_us < closed_at_us + SESSION_REMEMBERED_US:
                        return False
                    del self.threads[key]
                    self.changed.add(key)
            self._markers.popleft()
        return bool(self._markers)

    def _reach(self, place: "Reached") -> bytes:
        """Return what the changelog keeps of log time: at the committed offset, and at all that were tried since."""
        self._reached = [past for past in self._reached if past.offset >= self.committed_offset] + [place]
        return msgspec.json.encode(self._reached)
