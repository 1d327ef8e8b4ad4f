"""`threadline bench evaluate`: threads a second that one core scores, and how soon the score of a judge is there.

For the first, the threads stand in storage and their closes in the log before `threadline evaluate` starts as a process
of its own. It reads the transcripts over HTTP, judges them by heuristics and publishes the scores as in production;
what is counted is the CPU time of that process, which busy neighbours change less than the time it takes. The second is
`close_to_score`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.offsets import Bounds, read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.commands.bench import close_to_score
from pipeline.commands.bench.close_to_score import Scored
from pipeline.commands.bench.measure import cpu_seconds
from pipeline.commands.bench.storage import Storage, embedded_storage
from pipeline.commands.bench.stream import embedded_broker
from pipeline.errors import FatalError
from pipeline.events.identity import project_id, session_id, thread_model_id
from pipeline.events.threads import ThreadEvent
from pipeline.events.traces import TraceEvent
from pipeline.local.process import ChildProcess
from pipeline.settings import KafkaSettings
from pipeline.sinks.fold import fold
from pipeline.sinks.ranges import Covered, Span
from pipeline.sinks.splice import head_of, splice
from pipeline.topics import EVALUATORS_GROUP, SCORES, THREADS

THREADS_MEASURED: Final = 20_000
QUICK_THREADS: Final = 4_000
JUDGED: Final = 3_000
QUICK_JUDGED: Final = 1_000
TURNS: Final = 10
EVALUATORS: Final = "turns,answer_latency,unanswered_questions,repetition,refusals_and_apologies,steps"

_WORKSPACE: Final = "bench"
_PROJECT: Final = project_id(_WORKSPACE, "Conversations")
_BEGAN_US: Final = 1_760_000_000_000_000
_LOG_ID: Final = UUID(int=(_BEGAN_US // 1000) << 80 | 7 << 76 | 2 << 62 | 1)
_INSERT_ROWS: Final = 20_000
_SECONDS_MAX: Final = 600.0
_LOOK_SECONDS: Final = 0.2
_WORDS: Final = "the order that I placed on the first of the month has not come yet and nobody has told me why "


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """What the evaluator did: closed threads scored, from its start to the last commit, and its CPU time for them."""

    threads: int
    turns: int
    scores: int
    seconds: float
    cpu_seconds: float

    @property
    def threads_per_core_s(self) -> float:
        """Threads scored in a second of one core."""
        return self.threads / self.cpu_seconds


def run(*, as_json: bool, threads: int | None, quick: bool) -> None:
    """Measure and print; raises FatalError where something does not come to its end."""
    count = threads or (QUICK_THREADS if quick else THREADS_MEASURED)
    clock, console = SystemClock(), Console(stderr=True)
    found = asyncio.run(measure(count, clock, console))
    with console.status("from closes to scores"):
        scored = asyncio.run(close_to_score.measure(QUICK_JUDGED if quick else JUDGED, clock))
    if as_json:
        print(json.dumps(figures(found, scored)))  # noqa: T201
    else:
        Console().print(_table(found, scored))


async def measure(threads: int, clock: Clock, console: Console) -> Evaluated:
    """Store `threads` conversations, close them, and let an evaluator score them."""
    async with embedded_storage() as storage, embedded_broker(clock) as kafka:
        with console.status(f"storing {threads:,} threads"):
            await _store(storage.client, threads)
            async with EventProducer(kafka, client_id="bench") as producer:
                await producer.publish(THREADS, [_closed(number).record() for number in range(threads)])
        with console.status("evaluating"):
            return await _evaluate(storage, kafka, threads, clock)


def figures(found: Evaluated, scored: Scored) -> dict[str, float]:
    """Return the figures as `--json` prints them."""
    return {
        "threads": found.threads,
        "turns": found.turns,
        "scores": found.scores,
        "seconds": round(found.seconds, 3),
        "cpu_us_per_thread": round(found.cpu_seconds * 1e6 / found.threads, 1),
        "threads_per_core_s": round(found.threads_per_core_s, 1),
        "judged": scored.threads,
        "close_to_score_p50_s": round(scored.close_to_score_p50_s, 3),
        "close_to_score_p99_s": round(scored.close_to_score_p99_s, 3),
    }


async def _evaluate(storage: Storage, kafka: KafkaSettings, threads: int, clock: Clock) -> Evaluated:
    ready = asyncio.Event()

    def on_line(line: str) -> None:
        if '"ready"' in line:
            ready.set()

    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "THREADLINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "THREADLINE_KAFKA_PARTITIONS": str(kafka.partitions),
        "THREADLINE_KAFKA_LAST_RECORD_ALONE": "true",
        "THREADLINE_KAFKA_SESSION_TIMEOUT_MS": str(kafka.session_timeout_ms),
        "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": str(kafka.heartbeat_interval_ms),
        "THREADLINE_CLICKHOUSE_PORT": str(storage.settings.port),
        "THREADLINE_EVALUATE_DEFAULT_EVALUATORS": EVALUATORS,
        "THREADLINE_OPERATION_PORT": "0",
    }
    argv = [sys.executable, "-m", "pipeline", "evaluate"]
    async with await ChildProcess.start(argv, env=environment, on_line=on_line) as process:
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                await ready.wait()
                began, cpu = clock.monotonic(), cpu_seconds(process.pid)
                while any(one.committed < one.end for one in await _bounds(kafka)):  # noqa: ASYNC110 - only asking tells
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError as error:
            raise FatalError(f"the evaluator does not come to its end:\n{process.tail}") from error
        seconds, used = clock.monotonic() - began, cpu_seconds(process.pid) - cpu
    scores = await _scores(kafka)
    return Evaluated(threads=threads, turns=TURNS, scores=scores, seconds=seconds, cpu_seconds=used)


async def _bounds(kafka: KafkaSettings) -> list[Bounds]:
    return (await read_bounds(kafka, [THREADS], EVALUATORS_GROUP))[THREADS.name]


async def _scores(kafka: KafkaSettings) -> int:
    bounds = await read_bounds(kafka, [SCORES], EVALUATORS_GROUP)
    return sum(one.end - one.begin for one in bounds[SCORES.name])


async def _store(client: ClickHouse, threads: int) -> None:
    """Insert and fold the turns, as the sink does."""
    head = head_of(_LOG_ID, 0)
    lines: list[bytes] = []
    first = 0
    for offset, event in enumerate(_turns(threads)):
        lines.append(splice(head, offset, event.version_us // 1000, event.record().value))
        if len(lines) == _INSERT_ROWS or offset == threads * TURNS - 1:
            await client.insert_lines("trace_events", lines, token=None)
            times = _at_us(first) // 1000, _at_us(offset) // 1000
            await fold(client, "trace_events", Covered(_LOG_ID, "traces", {0: Span(first, offset)}, len(lines), *times))
            lines, first = [], offset + 1


def _at_us(offset: int) -> int:
    return _BEGAN_US + offset * 1000


def _turns(threads: int) -> Iterator[TraceEvent]:
    for offset in range(threads * TURNS):
        thread, turn = divmod(offset, TURNS)
        at_us = _at_us(offset)
        said = _WORDS[turn % 7 :] * 3
        yield TraceEvent(
            workspace=_WORKSPACE, version_us=at_us, received_at_us=at_us, event="create",
            id=UUID(int=(at_us // 1000) << 80 | 7 << 76 | 2 << 62 | offset), thread_id=f"thread-{thread}",
            project_id=_PROJECT, project_name="Conversations", start_time_us=at_us, end_time_us=at_us + 900_000,
            input=json.dumps({"messages": [{"role": "user", "content": f"{turn} {said}"}]}),
            output=json.dumps({"output": f"I am sorry, {turn} {said}"}),
        )  # fmt: skip


def _closed(thread: int) -> ThreadEvent:
    first, last = thread * TURNS, thread * TURNS + TURNS - 1
    name, at_us = f"thread-{thread}", _at_us(last) + 1_000_000
    return ThreadEvent(
        workspace=_WORKSPACE, version_us=at_us, received_at_us=at_us, project_id=_PROJECT, thread_id=name,
        thread_model_id=thread_model_id(_PROJECT, name), event="closed", session_id=session_id(_LOG_ID, 0, first),
        session_log_id=_LOG_ID, session_partition=0, first_offset=first, last_offset=last, opened_at_us=_at_us(first),
        last_activity_at_us=_at_us(last), closed_at_us=at_us, reason="inactive", activities=TURNS,
    )  # fmt: skip


def _table(found: Evaluated, scored: Scored) -> Table:
    table = Table("figure", "value", title="evaluate")
    for name, value in figures(found, scored).items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    return table
