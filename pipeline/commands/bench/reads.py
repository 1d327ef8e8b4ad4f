"""The reads that are promised to be fast, as clients send them, and whether an answer is what was asked for."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp
import msgspec

from pipeline.commands.bench.archive import LONG_TURNS, PROJECT_ID, WORKSPACE, Archive, long_thread, thread_id
from pipeline.errors import FatalError

SEARCH_THREADS: Final = 2000
PAGE_THREADS: Final = 10

_API: Final = "/api/v1/private/traces"
_STRIDE: Final = 7919
"""Threads are taken so far apart from each other; prime, so that all get their turn."""


class Reads:
    """Sends one request at a time to the HTTP side at `base_url`; each method is an endless series of reads.

    A read is done when its answer is decoded and looked at. Raises FatalError for one that was not asked for.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str, archive: Archive) -> None:
        self._session: Final = session
        self._base_url: Final = base_url
        self._archive: Final = archive

    def series(self) -> dict[str, Callable[[], AsyncGenerator[None, None]]]:
        """Return what is measured, by the name of its figures."""
        return {
            "search": self.search,
            "retrieve": self.retrieve,
            "conversation": self.conversation,
            "filtered_page": self.filtered_page,
        }

    async def search(self) -> AsyncGenerator[None, None]:
        """Read all threads in pieces of SEARCH_THREADS with the cursor that the SDK sends, again and again."""
        whole = min(SEARCH_THREADS, self._archive.threads)
        while True:
            cursor: dict[str, str] = {}
            remaining = self._archive.threads
            while remaining >= whole:
                lines = _lines(await self._post("/threads/search", limit=SEARCH_THREADS, truncate=True, **cursor))
                _check(len(lines) == whole, f"{len(lines)} threads instead of {whole}")
                remaining -= whole
                cursor = {"last_retrieved_thread_model_id": lines[-1]["thread_model_id"]}
                yield

    async def retrieve(self) -> AsyncGenerator[None, None]:
        """Read one thread after another."""
        number = 0
        while True:
            wanted = thread_id(number % self._archive.threads)
            found = msgspec.json.decode(await self._post("/threads/retrieve", thread_id=wanted, truncate=True))
            _check(found["id"] == wanted and "last_message" in found, f"{found['id']} instead of {wanted}")
            number += _STRIDE
            yield

    async def conversation(self) -> AsyncGenerator[None, None]:
        """Read all turns of one long conversation after another, as the SDK does."""
        number = 0
        while True:
            wanted = long_thread(number % self._archive.long_threads)
            filters = [{"field": "thread_id", "operator": "=", "value": wanted}]
            turns = _lines(await self._post("/search", filters=filters, limit=SEARCH_THREADS))
            _check({turn["thread_id"] for turn in turns} == {wanted}, f"other turns than those of {wanted}")
            _check(len(turns) == LONG_TURNS, f"{len(turns)} turns instead of {LONG_TURNS}")
            number += _STRIDE
            yield

    async def filtered_page(self) -> AsyncGenerator[None, None]:
        """Read the first page of the closed threads whose id contains two digits, other ones each time."""
        number = 0
        while True:
            digits = f"{number % 256:02x}"
            filters = [
                {"field": "thread_id", "operator": "contains", "value": digits},
                {"field": "status", "operator": "=", "value": "inactive"},
            ]
            page = msgspec.json.decode(await self._get("/threads", filters=filters, size=PAGE_THREADS, truncate="true"))
            _check(0 < page["size"] <= min(PAGE_THREADS, page["total"]), f"a page of {page['size']} threads")
            for found in page["content"]:
                _check(digits in found["id"] and found["status"] == "inactive", f"{found['id']} does not match")
            number += _STRIDE
            yield

    async def _post(self, path: str, **body: object) -> bytes:
        octets = msgspec.json.encode({"project_id": str(PROJECT_ID)} | body)
        async with self._session.post(self._base_url + _API + path, data=octets, headers=_HEADERS) as answer:
            return await _whole(answer)

    async def _get(self, path: str, *, filters: Sequence[Mapping[str, str]], **query: str | int) -> bytes:
        asked = {"project_id": str(PROJECT_ID), "filters": msgspec.json.encode(filters).decode()} | query
        async with self._session.get(self._base_url + _API + path, params=asked, headers=_HEADERS) as answer:
            return await _whole(answer)


_HEADERS: Final = {"Comet-Workspace": WORKSPACE, "Content-Type": "application/json"}


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    content = await answer.read()
    _check(answer.ok, f"{answer.status} {content[:500].decode(errors='replace')}")
    return content


def _lines(content: bytes) -> list[Any]:
    return [msgspec.json.decode(line) for line in content.splitlines()]


def _check(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as an assertion
    if not holds:
        raise FatalError(f"the answer is {otherwise}")
