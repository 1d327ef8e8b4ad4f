"""How far a consumer group is behind, in records and in seconds.

Seconds are told by the append time of the oldest record that is not committed, which has to be read. It is read only
where that record was there at the look before: what came since is younger than the time between two looks.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, Protocol

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.adapters.kafka.offsets import Bounds

ReadAppendTimes = Callable[[Mapping[LogPartition, int]], Awaitable[dict[LogPartition, int]]]
"""Says when the first record at or after each offset was appended, in milliseconds since 1970 UTC."""


class Lag(NamedTuple):
    """Records of a partition that are not committed, and the age of the oldest of them."""

    records: int
    seconds: float


class Watched(Protocol):
    """Where a group stands: `Watermarks`."""

    async def bounds(self) -> dict[LogPartition, Bounds]:
        """Return the bounds of every partition."""


class GroupLag:
    """The lag of one group, looked at again and again."""

    def __init__(self, clock: Clock, watched: Watched, read_append_times: ReadAppendTimes) -> None:
        self._clock: Final = clock
        self._watched: Final = watched
        self._read_append_times: Final = read_append_times
        self._ends: dict[LogPartition, int] = {}
        self._appended: dict[tuple[LogPartition, int], int] = {}

    async def look(self) -> dict[LogPartition, Lag]:
        """Return the lag of every partition; nothing of a group that never committed. Raises BrokerUnavailable."""
        bounds = await self._watched.bounds()
        waiting = {place: bound for place, bound in bounds.items() if bound.committed < bound.end}
        oldest = await self._appended_at(
            {
                place: bound.committed
                for place, bound in waiting.items()
                if bound.committed < self._ends.get(place, bound.end)
            }
        )
        self._ends = {place: bound.end for place, bound in bounds.items()}
        now_ms = self._clock.now_us() / 1000
        return {
            place: Lag(
                max(0, bound.end - bound.committed), max(0.0, now_ms - oldest[place]) / 1000 if place in oldest else 0.0
            )
            for place, bound in bounds.items()
        }

    async def _appended_at(self, offsets: dict[LogPartition, int]) -> dict[LogPartition, int]:
        """Return the append times of the records at `offsets`; what was read at the look before is remembered."""
        unknown = {place: offset for place, offset in offsets.items() if (place, offset) not in self._appended}
        read = await self._read_append_times(unknown) if unknown else {}
        known = {**self._appended, **{(place, offsets[place]): at_ms for place, at_ms in read.items()}}
        self._appended = {entry: known[entry] for entry in offsets.items() if entry in known}
        return {place: at_ms for (place, _), at_ms in self._appended.items()}


def headrooms(retentions: Mapping[str, float], lags: Mapping[LogPartition, Lag]) -> dict[str, float]:
    """Return, by topic, in how many seconds retention takes the oldest record of those that wait."""
    worst: defaultdict[str, float] = defaultdict(float)
    for place, lag in lags.items():
        worst[place.topic] = max(worst[place.topic], lag.seconds)
    return {topic: retentions[topic] - seconds for topic, seconds in worst.items()}
