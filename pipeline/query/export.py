"""Conversations as lines of JSON: one object a thread, its traces in the member `traces`.

A line is written in pieces, so that a conversation of any length passes through a bounded memory.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from pipeline.query.rows import Thread, Trace, encode


class Form(Protocol):
    """How an export is written: each call returns the next bytes, and `end` the last."""

    def thread(self, thread: Thread) -> bytes:
        """Begin the next conversation."""

    def turns(self, traces: Sequence[Trace]) -> bytes:
        """Go on with it."""

    def end(self) -> bytes:
        """End the last conversation, and the export."""


class JsonLines:
    """One line a conversation."""

    def __init__(self) -> None:
        self._is_open = False
        self._has_turns = False

    def thread(self, thread: Thread) -> bytes:
        """Begin a line with what is known of the thread."""
        closing = self.end()
        self._is_open, self._has_turns = True, False
        return closing + encode(thread)[:-1] + b',"traces":['

    def turns(self, traces: Sequence[Trace]) -> bytes:
        """Go on with the line."""
        separator = b"," if self._has_turns else b""
        self._has_turns = self._has_turns or bool(traces)
        return separator + encode(traces)[1:-1] if traces else b""

    def end(self) -> bytes:
        """End the line."""
        was_open, self._is_open = self._is_open, False
        return b"]}\n" if was_open else b""


MEDIA_TYPE: Final = "application/x-ndjson"


async def written(pieces: AsyncIterator[Thread | list[Trace]], form: Form) -> AsyncIterator[bytes]:
    """Yield `pieces` as `form` writes them."""
    async for piece in pieces:
        octets = form.thread(piece) if isinstance(piece, Thread) else form.turns(piece)
        if octets:
            yield octets
    yield form.end()
