"""Times between storage (microseconds since 1970 UTC) and the wire (ISO 8601, `...Z`)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - printing a naive time appends no +00:00, and is faster
_US_MIN: Final = int((datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) / timedelta(microseconds=1))
_US_MAX: Final = int((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) / timedelta(microseconds=1))
_US_PER_MINUTE: Final = 60_000_000


def iso(time_us: int) -> str:
    """Return a time with microseconds and `Z`; what no calendar has is moved to its nearest end."""
    if not _US_MIN <= time_us <= _US_MAX:
        time_us = _US_MIN if time_us < _US_MIN else _US_MAX
    minute = time_us // _US_PER_MINUTE
    return _iso_minute(minute) + "%09.6fZ" % ((time_us - minute * _US_PER_MINUTE) / 1e6)


@lru_cache(maxsize=65_536)
def _iso_minute(minute: int) -> str:
    """Return how a time begins: a search says ten thousand of them, and those of 45 days are remembered."""
    return (_NAIVE_EPOCH + timedelta(minutes=minute)).isoformat("T", "minutes") + ":"


def iso_or_none(time_us: int | None) -> str | None:
    """Return `iso`, or None for an absent time."""
    return None if time_us is None else iso(time_us)


def parse_us(text: str) -> int:
    """Return the microseconds of an ISO 8601 time; one without a zone is UTC.

    Raises ValueError where it is none.
    """
    parsed = datetime.fromisoformat(text.strip())
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
