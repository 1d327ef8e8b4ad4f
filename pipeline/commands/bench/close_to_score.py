"""How soon after its close a thread's score can be read, with a judge behind the evaluator.

The whole stack runs as `threadline dev` runs it. Threads begin at a steady rate and say all they have to say at once,
so they close at that rate, too. The model is a server of the bench that answers after MODEL_SECONDS. A thread's time
runs from its deadline in log time, so that what the stream takes to notice it counts, until a query finds its score.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.commands.bench.load import WORKSPACE, publish_paced, whole_conversations
from pipeline.commands.bench.measure import percentile
from pipeline.commands.bench.our_stage import within
from pipeline.errors import FatalError
from pipeline.local.stack import Stack

THREADS_PER_SECOND: Final = 50
TURNS: Final = 10
MODEL_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 0.1
"""How often it is looked; what is found was there up to so much earlier."""

_THREAD_TIMEOUT: Final = "2s"
_JUDGE: Final = "coherence"
_SECONDS_MAX: Final = 120.0
_SCORES: Final = """
SELECT DISTINCT toString(entity_id) AS thread FROM score_events
WHERE workspace = {workspace:String} AND entity_type = 'thread'"""
_CLOSES: Final = """
SELECT toString(thread_model_id) AS thread, min(closed_at_us) AS closed_at_us FROM thread_events
WHERE workspace = {workspace:String} AND event = 'closed' GROUP BY thread"""


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the seconds from the close to the readable score of so many threads."""

    threads: int
    close_to_score_p50_s: float
    close_to_score_p99_s: float


async def measure(threads: int, clock: Clock) -> Scored:
    """Let `threads` threads close and be judged; raises FatalError where that does not come to its end."""
    async with _model() as url:
        with tempfile.TemporaryDirectory(prefix="threadline-bench-", ignore_cleanup_errors=True) as folder:
            stack = Stack(
                Path(folder), port=0, thread_timeout=_THREAD_TIMEOUT, on_line=lambda _name, _line: None,
                evaluators=_JUDGE,
                environment={"THREADLINE_EVALUATE_JUDGE_URL": url, "THREADLINE_EVALUATE_JUDGE_MODEL": "stand-in"},
            )  # fmt: skip
            try:
                await stack.start()
                async with ClickHouse(stack.clickhouse) as client:
                    return await _measure(threads, stack, client, clock)
            finally:
                await stack.stop()


async def _measure(threads: int, stack: Stack, client: ClickHouse, clock: Clock) -> Scored:
    looking = asyncio.create_task(_found_at_us(threads, client, clock))
    failing = asyncio.create_task(stack.first_failure())
    try:
        records = whole_conversations(threads, TURNS, clock)
        await publish_paced(stack.kafka, records, clock, per_second=THREADS_PER_SECOND * TURNS, records_at_once=TURNS)
        async with within(_SECONDS_MAX, "all threads to be scored"):
            await asyncio.wait({looking, failing}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            raise FatalError(failing.result())
        found_at_us = await looking
    finally:
        looking.cancel()
        failing.cancel()
    closed_at_us = {
        row["thread"]: int(row["closed_at_us"]) for row in await client.rows(_CLOSES, {"workspace": WORKSPACE})
    }
    seconds = [(at_us - closed_at_us[thread]) / 1e6 for thread, at_us in found_at_us.items()]
    return Scored(
        threads=len(seconds),
        close_to_score_p50_s=percentile(seconds, 0.5),
        close_to_score_p99_s=percentile(seconds, 0.99),
    )


async def _found_at_us(threads: int, client: ClickHouse, clock: Clock) -> dict[str, int]:
    """Look until the scores of `threads` threads can be read; return when each was found first."""
    found_at_us: dict[str, int] = {}
    while len(found_at_us) < threads:
        rows = await client.rows(_SCORES, {"workspace": WORKSPACE})
        now_us = clock.now_us()
        for row in rows:
            found_at_us.setdefault(row["thread"], now_us)
        await asyncio.sleep(LOOK_SECONDS)
    return found_at_us


@asynccontextmanager
async def _model() -> AsyncIterator[str]:
    """Serve an OpenAI-compatible API that likes everything; yields its base."""
    content = json.dumps({"reason": "it reads well", "score": 0.75})
    answer = {
        "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 500, "completion_tokens": 30},
    }

    async def complete(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(MODEL_SECONDS)
        return web.json_response(answer)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()
