"""Load on a gateway that remembers: which traces were taken, and how every other request was answered."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import uuid_utils.compat as uuids

BATCH: Final = "/api/v1/private/traces/batch"
TAKEN: Final = 204
OVERLOADED: Final = 429
REQUEST_SECONDS_MAX: Final = 120.0
_START: Final = "2026-11-22T09:23:26.883729Z"


@dataclass
class Log:
    """What the answers said."""

    taken: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    bare: list[dict[str, str]] = field(default_factory=list)
    """The headers of answers of 429 with which an SDK would lose what it sent."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, ids: list[str], status: int, headers: dict[str, str]) -> None:
        self.statuses[status] += 1
        if status == TAKEN:
            self.taken.update(ids)
        elif status == OVERLOADED and not all(headers.get(name, "").isdecimal() for name in PAUSES):
            self.bare.append(headers)
        self.changed.set()

    async def until_taken(self, more: int) -> None:
        """Return when `more` traces were taken, counted from now."""
        wanted = len(self.taken) + more
        while len(self.taken) < wanted:
            self.changed.clear()
            await self.changed.wait()

    async def until_overloaded(self) -> None:
        """Return when one more request was answered 429."""
        wanted = self.statuses[OVERLOADED] + 1
        while self.statuses[OVERLOADED] < wanted:
            self.changed.clear()
            await self.changed.wait()


PAUSES: Final = ("retry-after", "ratelimit-reset")


def batch_of(ids: list[str], *, payload: str = "") -> bytes:
    traces = [
        {"id": one, "start_time": _START, "thread_id": f"t{number % 17}", "input": {"text": payload}}
        for number, one in enumerate(ids)
    ]
    return json.dumps({"traces": traces}).encode()


def fresh_ids(count: int) -> list[str]:
    return [str(uuids.uuid7()) for _ in range(count)]


async def post(session: aiohttp.ClientSession, log: Log, ids: list[str], body: bytes) -> int:
    """Send one batch and return how many seconds to wait before the next."""
    async with session.post(BATCH, data=body) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        log.note(ids, answer.status, headers)
        return int(headers.get("retry-after", 0))


async def write(url: str, log: Log, stop: asyncio.Event, *, writers: int, traces: int, trace_bytes: int = 100) -> None:
    """Send batches one after another from each of `writers`, and pause where a 429 says so, until `stop`."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX)
    payload = "x" * trace_bytes

    async def writer(session: aiohttp.ClientSession) -> None:
        while not stop.is_set():
            ids = fresh_ids(traces)
            pause = await post(session, log, ids, batch_of(ids, payload=payload))
            if pause:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)

    connector = aiohttp.TCPConnector(limit=writers)
    async with aiohttp.ClientSession(url, timeout=timeout, connector=connector) as session:
        await asyncio.gather(*(writer(session) for _ in range(writers)))
