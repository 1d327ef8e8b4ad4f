"""Traffic that an operator's view needs, and faults that must wake somebody up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.error import HTTPError, URLError

import pytest
import uuid_utils.compat as uuids

from pipeline.adapters.kafka.producer import EventProducer
from pipeline.commands.sample_run import EVALUATORS
from pipeline.events.envelope import Record, headers_of
from pipeline.events.spans import SpanEvent
from pipeline.local.stack import Stack
from pipeline.topics import SPANS
from tests.support.page_api import Api
from tests.support.prometheus import Prometheus

ROUND_SECONDS: Final = 0.5
GOOD_SPANS, POISON_SPANS = 60, 20
"""In one round: a quarter is poison, which wakes somebody up, and does not yet stop the sink."""


class Traffic:
    """Conversations that are logged, closed, scored and read, until the block is left."""

    def __init__(self, api: Api) -> None:
        self._api: Final = api
        self._task: asyncio.Task[None] | None = None
        self.refused = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled() and (fault := self._task.exception()) is not None:
            raise fault

    async def _run(self) -> None:
        for number in count():
            try:
                await asyncio.to_thread(self._round, f"chat {number}")
            except (HTTPError, URLError, ConnectionError, TimeoutError):
                self.refused += 1  # storage or the worker is stopped: this is what the test is about
            await asyncio.sleep(ROUND_SECONDS)

    def _round(self, name: str) -> None:
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        self._api.log(name, ("Hello?", "Hello."), ("And now?", None))
        self._api.log(f"{name}, left alone", ("Hello?", "Hello."))
        self._api.call("GET", f"traces?project_name={self._api.project}")
        self._api.call(
            "POST",
            "spans/batch",
            {
                "spans": [
                    {
                        "id": str(uuids.uuid7()),
                        "trace_id": str(uuids.uuid7()),
                        "name": "llm",
                        "start_time": "2026-11-23T05:00:00Z",
                        "usage": usage,
                    }
                ]
            },
        )
        self._api.close(name)


@dataclass(frozen=True)
class Watched:
    """A stack with traffic, and the Prometheus beside it."""

    stack: Stack
    prometheus: Prometheus


@asynccontextmanager
async def watched_stack(folder: Path, rules: str) -> AsyncIterator[Watched]:
    """Start the processes of `threadline dev`, a Prometheus with `rules`, and traffic."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("THREADLINE_SINKS_RECONCILE_INTERVAL_SECONDS", "1")
        environment.setenv("THREADLINE_SINKS_LAG_INTERVAL_SECONDS", "0.5")
        stack = Stack(
            folder / "stack", port=0, thread_timeout="2s", on_line=lambda *_: None, evaluators=EVALUATORS, partitions=2
        )
    await stack.start()
    try:
        async with (
            Prometheus(folder / "prometheus", stack.operation_ports, rules) as prometheus,
            Traffic(Api(stack.base_url)),
        ):
            yield Watched(stack, prometheus)
    finally:
        await stack.stop()


async def storage_stopped_fires(watched: Watched, *, seconds_max: float) -> None:
    """Stop ClickHouse until somebody is woken up, and start it again until the alert falls silent."""
    await watched.stack.kill("clickhouse")
    await watched.prometheus.fires("ThreadlineSinksNotStoring", seconds_max=seconds_max)
    await watched.stack.restart("clickhouse")
    await watched.prometheus.falls_silent("ThreadlineSinksNotStoring", seconds_max=seconds_max)


async def worker_stopped_fires(watched: Watched, *, seconds_max: float) -> None:
    """Stop the worker, as above."""
    await watched.stack.kill("worker")
    await watched.prometheus.fires("ThreadlineWorkerAbsent", seconds_max=seconds_max)
    await watched.stack.restart("worker")
    await watched.prometheus.falls_silent("ThreadlineWorkerAbsent", seconds_max=seconds_max)


async def poison_fires(watched: Watched, *, seconds_max: float) -> None:
    """Write what is no event beside what is one, as above."""
    async with AsyncExitStack() as block:
        producer = await block.enter_async_context(EventProducer(watched.stack.kafka, client_id="poison"))
        flood = asyncio.create_task(_flood(producer))
        block.callback(flood.cancel)
        await watched.prometheus.fires("ThreadlineDeadLetterFlood", seconds_max=seconds_max)
        flood.cancel()
        await asyncio.wait({flood})
    await watched.prometheus.falls_silent("ThreadlineDeadLetterFlood", seconds_max=seconds_max)


async def _flood(producer: EventProducer) -> None:
    while True:
        good = [
            SpanEvent(
                workspace="default",
                version_us=1,
                received_at_us=1,
                id=uuids.uuid7(),
                trace_id=uuids.uuid7(),
                event="create",
            ).record()
            for _ in range(GOOD_SPANS)
        ]
        await producer.publish(SPANS, [*good, *[Record(None, b"{", headers_of("span"))] * POISON_SPANS])
        await asyncio.sleep(ROUND_SECONDS)
