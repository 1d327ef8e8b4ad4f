"""When each event of a run is sent, and which sessions must come of it.

A true gap of g seconds is sent as g / speed-up, and the run's thread timeout is Opik's 15 minutes, shortened alike;
so a silence that would have ended a session still ends one. Which it does must not hang on how busy the machine is:
a gap too near the timeout is moved to the nearer side of the band around it (`Pace.joined_max_seconds`,
`Pace.split_min_seconds`), and everything after it moves along. Moved gaps never change what the true ones imply.
Then the sessions are certain as long as no activity is accepted more than `Pace.delay_max_seconds` after its time.

Activity of a thread is an event that carries its thread id. Each turn has exactly one: the complete copy of its trace
or, where the trace is created without a thread, the PATCH that names it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from operator import attrgetter
from random import Random
from typing import Final, NamedTuple, Self
from uuid import UUID

from pipeline.errors import InvalidSettings
from pipeline.local.bodies import SHAPES, Body, LoggedTurn, Route, score_bodies
from pipeline.local.conversations import Conversation

TRUE_TIMEOUT_SECONDS: Final = 900.0
DEFAULT_SPEED_UP: Final = 300.0
CREATE_AFTER_PATCH_SECONDS: Final = 0.5


class Send(NamedTuple):
    """One event: when it is due (seconds since the run's origin), where it goes, and what it says."""

    at_seconds: float
    route: Route
    body: Body
    trace_id: str | None = None
    """The trace that a PATCH is for."""


class Style(Enum):
    """How an application logs one trace."""

    ONCE = auto()
    """One complete copy."""
    TWICE = auto()
    """A copy at the start, without thread id, and the complete one at the end."""
    PATCHED = auto()
    """The end as a PATCH, which alone names the thread; the create, without a thread, comes after it."""


_STYLES: Final = (Style.TWICE, Style.ONCE, Style.PATCHED, Style.ONCE, Style.TWICE, Style.ONCE, Style.ONCE, Style.ONCE)
_SCORED_BY_TRACE_EVERY: Final = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run goes, and how far from the thread timeout its gaps stay; all in seconds of the run.

    Raises InvalidSettings where the band around the timeout leaves no gap that keeps a session together.
    """

    speed_up: float
    timeout_seconds: float
    spread_seconds: float
    margin_share: float = 0.2
    margin_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.speed_up <= 0 or self.joined_max_seconds <= 0:
            raise InvalidSettings(
                f"a speed-up of {self.speed_up:g} with a thread timeout of {self.timeout_seconds:g} s and a margin of "
                f"{self.delay_max_seconds:g} s leaves no gap that surely keeps a session together"
            )

    @classmethod
    def of(cls, speed_up: float, *, spread_seconds: float, margin_seconds: float = 1.0) -> Self:
        """Return the pace at which the thread timeout is Opik's 15 minutes, made shorter like every gap."""
        return cls(speed_up, TRUE_TIMEOUT_SECONDS / speed_up, spread_seconds, margin_seconds=margin_seconds)

    @property
    def delay_max_seconds(self) -> float:
        """How late an activity may be accepted before the sessions are no longer certain."""
        return self.timeout_seconds * self.margin_share + self.margin_seconds

    @property
    def joined_max_seconds(self) -> float:
        """The longest gap that is sent within a session."""
        return self.timeout_seconds - self.delay_max_seconds

    @property
    def split_min_seconds(self) -> float:
        """The shortest gap that is sent between two sessions."""
        return self.timeout_seconds + self.delay_max_seconds

    def splits(self, true_gap_seconds: float) -> bool:
        """Tell whether so long a silence ends a session: at the deadline itself it already has."""
        return true_gap_seconds / self.speed_up >= self.timeout_seconds

    def sent_gap_seconds(self, true_gap_seconds: float) -> float:
        """Return the gap that is sent for a true one: in proportion, but outside of the band around the timeout."""
        gap_seconds = true_gap_seconds / self.speed_up
        if self.splits(true_gap_seconds):
            return max(gap_seconds, self.split_min_seconds)
        return min(gap_seconds, self.joined_max_seconds)


def expected_sessions(conversations: Iterable[Conversation], pace: Pace) -> Mapping[str, tuple[int, ...]]:
    """Return, for each thread id, how many traces each of its sessions has, first to last.

    This is read from the true times alone, not from a schedule.
    """
    expected = {}
    for conversation in conversations:
        sessions: list[int] = []
        for place, true_gap_seconds in enumerate(_true_gaps(conversation)):
            if place == 0 or pace.splits(true_gap_seconds):
                sessions.append(0)
            sessions[-1] += 1
        expected[conversation.thread_id] = tuple(sessions)
    return expected


def length_seconds(conversation: Conversation, pace: Pace) -> float:
    """Return how long a conversation lasts in the run, from its first message to its last."""
    return sum(_sent_gaps(conversation, pace))


def plan(
    conversations: Iterable[Conversation], pace: Pace, *, project_name: str, origin_us: int, seed: int = 0
) -> list[Send]:
    """Return every event of the run, in the order of time; the same arguments give the same schedule.

    `origin_us` (microseconds since 1970 UTC) is what `at_seconds` counts from; times and ids of the traces follow it.
    Conversations begin at random within `pace.spread_seconds`, so early that they end within it where they fit.
    Ratings become scores: of the last trace for about every third rated conversation; else of the thread, when
    it is surely closed, since an open thread refuses scores.
    """
    sends: list[Send] = []
    for conversation in conversations:
        # Seeded by its own id, a conversation is sent alike whatever else is sent.
        random = Random(f"{seed}:{conversation.thread_id}")
        begins_at = random.uniform(0, max(0.0, pace.spread_seconds - length_seconds(conversation, pace)))
        timed = list(_logged_turns(conversation, pace, project_name, origin_us, begins_at, random))
        first_style = random.randrange(len(_STYLES))
        for logged, active_at in timed:
            style = _STYLES[(first_style + logged.place) % len(_STYLES)]
            sends += _sends_of_turn(logged, style, origin_us, active_at)
        last, ended_at = timed[-1]
        by_trace = random.randrange(_SCORED_BY_TRACE_EVERY) == 0
        scores = score_bodies(conversation, project_name, last.trace_id if by_trace else None)
        route = Route.TRACE_SCORES if by_trace else Route.THREAD_SCORES
        scored_at = ended_at if by_trace else ended_at + pace.split_min_seconds
        sends += [Send(scored_at, route, score) for score in scores]
    return sorted(sends, key=attrgetter("at_seconds"))


def _true_gaps(conversation: Conversation) -> list[float]:
    """Return the silence before each turn's activity; for the first, the time since the conversation began."""
    times = [0.0, *(turn.active_at_seconds for turn in conversation.turns)]
    return [later - earlier for earlier, later in pairwise(times)]


def _sent_gaps(conversation: Conversation, pace: Pace) -> list[float]:
    """Return the same silences as they are sent; the first lies between no two activities and is never moved."""
    first, *others = _true_gaps(conversation)
    return [first / pace.speed_up, *map(pace.sent_gap_seconds, others)]


def _logged_turns(
    conversation: Conversation, pace: Pace, project_name: str, origin_us: int, begins_at: float, random: Random
) -> Iterator[tuple[LoggedTurn, float]]:
    """Yield each turn with the time of its activity; a question keeps its place between two activities."""
    shape = random.choice(SHAPES)
    active_at, true_active_at = begins_at, 0.0
    gaps = zip(_true_gaps(conversation), _sent_gaps(conversation, pace), strict=True)
    for place, (true_gap, sent_gap) in enumerate(gaps):
        turn = conversation.turns[place]
        asked_share = (turn.asked_at_seconds - true_active_at) / true_gap if true_gap else 1.0
        asked_us = origin_us + int((active_at + sent_gap * asked_share) * 1e6)
        active_at, true_active_at = active_at + sent_gap, turn.active_at_seconds
        active_us = max(asked_us, origin_us + int(active_at * 1e6))
        trace_id, span_id = _uuid7(asked_us, random), _uuid7(asked_us, random)
        logged = LoggedTurn(conversation, place, project_name, trace_id, span_id, asked_us, active_us, shape)
        yield logged, active_at


def _sends_of_turn(logged: LoggedTurn, style: Style, origin_us: int, active_at: float) -> Iterator[Send]:
    answer = logged.turn.answer
    if answer is None:
        # Still waiting for an answer that never came: neither an end nor a call of a model.
        yield Send(active_at, Route.TRACES, logged.completed())
        return
    yield Send(active_at, Route.SPANS, logged.llm_span(answer))
    if style is Style.PATCHED:
        yield Send(active_at, Route.TRACE_PATCH, logged.ended(), logged.trace_id)
        yield Send(active_at + CREATE_AFTER_PATCH_SECONDS, Route.TRACES, logged.started())
        return
    if style is Style.TWICE:
        yield Send((logged.asked_at_us - origin_us) / 1e6, Route.TRACES, logged.started())
    yield Send(active_at, Route.TRACES, logged.completed())


def _uuid7(at_us: int, random: Random) -> str:
    """Return a UUID of version 7 (RFC 9562) for a given time, reproducible unlike the library's."""
    bits = (at_us // 1000) << 80 | random.getrandbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=bits))
