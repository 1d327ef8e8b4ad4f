"""How long to wait before the next try."""

import random
from typing import Final


class Backoff:
    """Pauses that double from `first_seconds` to `seconds_max`, each shortened at random by up to a half.

    The chance spreads out processes that failed together (AWS, "Exponential Backoff And Jitter").
    """

    def __init__(self, *, seconds_max: float, first_seconds: float = 0.1) -> None:
        self._first: Final = first_seconds
        self._max: Final = seconds_max
        self._next = first_seconds

    def pause(self) -> float:
        """Return the next pause, in seconds."""
        current = min(self._next, self._max)
        self._next = current * 2
        return current * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the first pause, after a success."""
        self._next = self._first
