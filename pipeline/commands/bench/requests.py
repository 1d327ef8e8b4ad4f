"""Requests as the Python SDK sends them: batches of whole traces, in gzip."""

import gzip
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import uuid_utils.compat as uuids

from pipeline.adapters.clock import Clock

PATH: Final = "/v1/private/traces/batch"
PROJECT_NAME: Final = "Side by side"
TRACE_BYTES: Final = 1100
THREADS: Final = 20_000

_GZIP_LEVEL: Final = 6
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SYLLABLES: Final = ("ba", "den", "fi", "gor", "ka", "lem", "mo", "nur", "pa", "ris", "so", "tan", "ul", "ve", "wi")
_VOCABULARY: Final = 4000
_PROSE_BYTES: Final = 1_500_000
_WORD_BYTES_MIN: Final = 7
"""Three syllables and a space."""
_QUESTION_SHARE: Final = 5
"""A question is one part in so many, the answer is the rest."""


@dataclass(frozen=True, slots=True)
class Request:
    """One body on the wire and how many traces it holds."""

    body: bytes
    traces: int
    first_id: str
    """The id of its first trace, by which one can see whether it is readable."""
    first_thread_id: str


class Requests:
    """Makes requests of `traces` traces each, of about `trace_bytes`, over THREADS threads; text is words at random.

    The words make gzip as hard as prose does: a batch of 1,000 shrinks to about a third.
    """

    def __init__(self, clock: Clock, *, seed: int = 1) -> None:
        self._clock: Final = clock
        self._chance: Final = random.Random(seed)
        words = ["".join(self._chance.choices(_SYLLABLES, k=3)) for _ in range(_VOCABULARY)]
        self._prose: Final = " ".join(self._chance.choices(words, k=_PROSE_BYTES // _WORD_BYTES_MIN))

    def make(self, traces: int, trace_bytes: int = TRACE_BYTES) -> Request:
        """Return a request of traces that nobody has sent yet."""
        items = [self._trace(trace_bytes) for _ in range(traces)]
        body = gzip.compress(orjson.dumps({"traces": items}), _GZIP_LEVEL, mtime=0)
        return Request(body, traces, str(items[0]["id"]), str(items[0]["thread_id"]))

    def many(self, count: int, traces: int, trace_bytes: int = TRACE_BYTES) -> Iterator[Request]:
        """Yield `count` requests."""
        return (self.make(traces, trace_bytes) for _ in range(count))

    def _trace(self, size_bytes: int) -> dict[str, object]:
        began_at = _EPOCH + timedelta(microseconds=self._clock.now_us())
        said_at = began_at.isoformat().replace("+00:00", "Z")
        bare: dict[str, object] = {
            "id": str(uuids.uuid7()),
            "project_name": PROJECT_NAME,
            "name": "chat_turn",
            "start_time": said_at,
            "end_time": said_at,
            "last_updated_at": said_at,
            "input": {"messages": [{"role": "user", "content": ""}]},
            "output": {"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}}]},
            "metadata": {"model": "none", "created_from": "bench"},
            "tags": ["bench"],
            "thread_id": f"conversation-{self._chance.randrange(THREADS)}",
            "source": "sdk",
        }
        spare = max(0, size_bytes - len(orjson.dumps(bare)))
        question, answer = self._text(spare // _QUESTION_SHARE), self._text(spare - spare // _QUESTION_SHARE)
        return bare | {
            "input": {"messages": [{"role": "user", "content": question}]},
            "output": {"choices": [{"index": 0, "message": {"role": "assistant", "content": answer}}]},
        }

    def _text(self, size_bytes: int) -> str:
        """Return so much of the prose, from anywhere in it; every part of it stands there once."""
        begin = self._chance.randrange(_PROSE_BYTES - size_bytes)
        return self._prose[begin : begin + size_bytes]
