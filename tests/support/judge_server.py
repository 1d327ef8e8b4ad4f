"""A stand-in for a language model's server: real HTTP on 127.0.0.1 that answers, fails, dawdles and hangs by turns."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web

ANSWERS = ("answer",)
BY_TURNS = ("answer", "slow", "error", "answer", "malformed", "busy", "not json", "answer", "hang", "out of range")
HOPELESS = "hopeless"
"""A conversation that says this is refused, always."""
SLOW_SECONDS = 0.3
PROMPT_TOKENS, ANSWER_TOKENS = 120, 30


class JudgeServer:
    """Speaks chat completions; each request meets the next of `behaviours`, over and over."""

    def __init__(self, behaviours: Sequence[str] = ANSWERS, *, answer_seconds: float = 0.0) -> None:
        self.behaviours = behaviours
        self.answer_seconds = answer_seconds
        self.counts: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.on_the_way = 0
        self.on_the_way_max = 0
        self._numbers = itertools.count()
        self._closing = asyncio.Event()
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.Response:
        self.on_the_way += 1
        self.on_the_way_max = max(self.on_the_way_max, self.on_the_way)
        try:
            return await self._answer(request)
        finally:
            self.on_the_way -= 1

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        self.keys.add(request.headers.get("Authorization"))
        behaviour = self.behaviours[next(self._numbers) % len(self.behaviours)]
        if HOPELESS in body["messages"][-1]["content"]:
            behaviour = "refuse"
        self.counts[behaviour] += 1
        await asyncio.sleep(self.answer_seconds + (SLOW_SECONDS if behaviour == "slow" else 0))
        if behaviour == "hang":
            await self._closing.wait()
        if behaviour == "refuse":
            key = request.headers.get("Authorization", "")[len("Bearer ") :]
            return web.Response(status=400, text=f"bad request; your key is {key}")
        return REPLIES.get(behaviour, REPLIES["answer"])()


def _completion(content: str) -> web.Response:
    return web.json_response(
        {
            "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": ANSWER_TOKENS},
        }
    )


REPLIES: Mapping[str, Callable[[], web.Response]] = {
    "answer": lambda: _completion(json.dumps({"reason": "it reads well", "score": 0.75})),
    "error": lambda: web.Response(status=500, text="out of memory"),
    "hang": lambda: web.Response(status=503),
    "busy": lambda: web.Response(status=429, text="slow down", headers={"Retry-After": "1"}),
    "not json": lambda: web.Response(text="<html>gateway</html>"),
    "malformed": lambda: _completion("I would say it is quite good"),
    "out of range": lambda: _completion('{"reason":"x","score":7}'),
    "refusal": lambda: web.json_response({"choices": [{"message": {"content": None, "refusal": "I will not"}}]}),
    "uncounted": lambda: web.json_response({"choices": [{"message": {"content": '{"reason":"x","score":1}'}}]}),
}
