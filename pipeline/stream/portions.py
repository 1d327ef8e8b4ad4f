"""Work for many partitions at the same time, in portions, so that the event loop gets on between them."""

import asyncio
from typing import Final


class Portions:
    """Gives out turns to work on up to `items_max` things; then everything else has a turn first.

    What counts is the sum over all partitions: each alone may have so little to do that it never pauses, and all of
    them together stop the event loop for as long as one with all of that.
    """

    def __init__(self, items_max: int) -> None:
        self.items_max: Final = items_max
        self._given: int = 0
        self._giving: Final = asyncio.Lock()

    async def turn(self, items: int) -> None:
        """Wait for the turn to work on `items` things, to be done before anything else is awaited."""
        async with self._giving:
            if self._given + items > self.items_max:
                await asyncio.sleep(0)  # the others who want a turn wait for the lock meanwhile
                self._given = 0
            self._given += items
