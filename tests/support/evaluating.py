"""Everything that an evaluation needs, as processes that can be killed: broker, ClickHouse, worker, sink, evaluator."""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import uuid_utils.compat as uuids

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.migrations import apply
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.events.dead_letters import bytes_of
from pipeline.events.envelope import Record
from pipeline.events.identity import project_id
from pipeline.events.rules import Rule, RuleEvaluator
from pipeline.events.spans import SpanEvent
from pipeline.events.threads import THREAD_DECODER
from pipeline.events.traces import TraceEvent
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import ChildProcess, free_port
from pipeline.settings import TIMEOUT_VARIABLE, KafkaSettings
from pipeline.topics import EVALUATORS_GROUP, RULES, SINKS_GROUP, SPANS, STORED, THREADS, TRACES, Topic
from tests.apache_kafka.broker import ApacheKafka
from tests.support.clickhouse import ClickHouseProcess
from tests.support.waiting import eventually

WORKSPACE: Final = "default"
PARTITIONS: Final = 4
SETTLED_SECONDS_MAX: Final = 240.0
READY_SECONDS_MAX: Final = 120.0
_SCORES: Final = """
SELECT session_id, thread_id, author, name, uniqExact(value, ifNull(reason, ''), version_us) AS different,
       any(value) AS some_value, any(source_queue_id) AS origin, any(source) AS some_source
FROM score_events
WHERE entity_type = 'thread' AND event = 'set' AND project_id = {project_id:UUID}
GROUP BY session_id, thread_id, author, name"""
_CLOSED: Final = """
SELECT DISTINCT thread_id, session_id FROM thread_events
WHERE event = 'closed' AND reason != 'deleted' AND project_id = {project_id:UUID}"""
_SET_ASIDE: Final = """
SELECT DISTINCT reason, value FROM dead_letters WHERE stage = 'evaluators' AND topic = 'threads'"""


class Given(NamedTuple):
    """A score as storage has it: whose, and how many different contents it came with."""

    thread_id: str
    session_id: str
    author: str
    name: str
    value: float
    different: int
    origin: str


class Evaluating:
    """The processes and the traffic of a test."""

    def __init__(self, path: Path, *, thread_timeout: str = "1s", on_apache_kafka: bool = False) -> None:
        self.broker: Final = ApacheKafka(path / "kafka") if on_apache_kafka else EmbeddedBroker(free_port())
        self._is_apache_kafka: Final = on_apache_kafka
        self.clickhouse: Final = ClickHouseProcess(path / "clickhouse")
        self.client: Final = ClickHouse(self.clickhouse.settings)
        self.kafka: Final = KafkaSettings(
            bootstrap=self.broker.bootstrap, partitions=PARTITIONS, session_timeout_ms=3000,
            heartbeat_interval_ms=500, last_record_alone=not on_apache_kafka,
        )  # fmt: skip
        self.producer: Final = EventProducer(self.kafka, client_id="test")
        self.lines: Final[list[str]] = []
        self._thread_timeout: Final = thread_timeout
        self._children: Final[list[ChildProcess]] = []
        self._stages: Final[dict[str, tuple[ChildProcess, Mapping[str, object]]]] = {}
        self._numbers: Final = itertools.count()

    async def start(self, *stages: str) -> None:
        """Start the broker and ClickHouse, and `stages`."""
        await asyncio.gather(self.broker.start(), self.clickhouse.start())
        await ensure_topics(self.kafka, SystemClock())
        await apply(self.client)
        await self.producer.start()
        await asyncio.gather(*(self.start_stage(name) for name in stages))

    async def stop(self) -> None:
        """Kill everything."""
        await asyncio.gather(*(child.kill() for child in self._children))
        await self.producer.stop()
        await self.client.close()
        await self.clickhouse.kill()
        await self.broker.kill()

    async def start_stage(self, name: str, **settings: object) -> ChildProcess:
        """Start a stage and return once it takes work; `settings` are variables without their prefix."""
        ready = asyncio.Event()

        def on_line(line: str) -> None:
            self.lines.append(line)
            if '"event": "ready"' in line or '"event":"ready"' in line:
                ready.set()

        child = await ChildProcess.start(
            [sys.executable, "-m", "pipeline", name], env=self._environment(settings), on_line=on_line
        )
        self._children.append(child)
        self._stages[name] = child, settings
        async with asyncio.timeout(READY_SECONDS_MAX):
            await ready.wait()
        return child

    async def kill(self, name: str) -> None:
        """End a stage at once, as a crash would."""
        child, _ = self._stages[name]
        assert await child.kill() == -9, child.tail

    async def start_again(self, name: str) -> None:
        """Start a stage as it was started before."""
        _, settings = self._stages[name]
        await self.start_stage(name, **settings)

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        """Append records, with the partition that their keys say."""
        await self.producer.publish(topic, records)

    async def put_rule(self, project: str, *evaluators: RuleEvaluator, **fields: Any) -> Rule:
        """Write a rule of a project and return it."""
        now_us, place = SystemClock().now_us(), {"workspace": WORKSPACE, "project_id": project_id(WORKSPACE, project)}
        rule = Rule(
            **place | {
                "id": uuids.uuid7(), "name": "rule",
                "evaluators": evaluators, "created_at_us": now_us, "version_us": now_us,
            } | fields
        )  # fmt: skip
        await self.publish(RULES, [rule.record()])
        return rule

    async def say(
        self, project: str, thread_id: str, *, turns: int = 2, spans: int = 1, said: str = "question"
    ) -> None:
        """Publish turns of a thread as the SDKs do: begun with the thread, ended without it, spans apart."""
        created, ended, steps = [], [], []
        for _ in range(turns):
            number = next(self._numbers)
            now_us = SystemClock().now_us()
            shared: dict[str, Any] = {"workspace": WORKSPACE, "received_at_us": now_us}
            trace_id = uuids.uuid7()
            created.append(
                TraceEvent(
                    **shared, version_us=now_us, id=trace_id, event="create", thread_id=thread_id,
                    project_id=project_id(WORKSPACE, project), project_name=project, start_time_us=now_us,
                    input=_json({"user": f"{said} {number}"}),
                ).record()
            )  # fmt: skip
            ended.append(
                TraceEvent(
                    **shared, version_us=now_us + 1, id=trace_id, event="patch", end_time_us=now_us + 500_000,
                    output=_json({"assistant": f"answer {number}"}),
                ).record()
            )  # fmt: skip
            steps += [
                SpanEvent(
                    **shared, version_us=now_us, id=uuids.uuid7(), trace_id=trace_id, event="create", name="step",
                ).record()
                for _ in range(spans)
            ]  # fmt: skip
        # Ends and spans are first: a close must never come between them and the activity that it waits for.
        await asyncio.gather(self.publish(SPANS, steps), self.publish(TRACES, ended))
        await self.publish(TRACES, created)

    async def settled(self, *, with_sinks: bool = True) -> None:
        """Return when every session is closed and evaluated, and every score is stored."""

        async def behind() -> dict[str, int]:
            opened = await self.client.rows(
                "SELECT uniqExactIf(session_id, event = 'opened') - uniqExactIf(session_id, event = 'closed') AS open "
                "FROM thread_events"
            )
            evaluated = await read_bounds(self.kafka, [THREADS], EVALUATORS_GROUP)
            stored = await read_bounds(self.kafka, STORED, SINKS_GROUP) if with_sinks else {}
            return {
                "open": int(opened[0]["open"]),
                "evaluated": sum(one.end - one.committed for one in evaluated[THREADS.name]),
                "stored": sum(one.end - one.committed for bounds in stored.values() for one in bounds),
            }

        # The worker writes ticks while threads are open, so all must be nought at one moment.
        await eventually(behind, lambda left: not any(left.values()), seconds_max=SETTLED_SECONDS_MAX)

    async def closed_sessions(self, project: str) -> set[tuple[str, str]]:
        """Return thread and session of every close that storage knows."""
        rows = await self.client.rows(_CLOSED, {"project_id": project_id(WORKSPACE, project)})
        return {(row["thread_id"], row["session_id"]) for row in rows}

    async def set_aside(self, project: str) -> dict[tuple[str, str], str]:
        """Return thread and session of those that could not be evaluated, with one reason."""
        found = {}
        for row in await self.client.rows(_SET_ASIDE):
            session = THREAD_DECODER.decode(bytes_of(row["value"]) or b"")
            if session.project_id == project_id(WORKSPACE, project):
                found[session.thread_id, session.session_id] = str(row["reason"])
        return found

    async def scores(self, project: str) -> list[Given]:
        """Return every score of a project's threads, once a session, author and name."""
        rows = await self.client.rows(_SCORES, {"project_id": project_id(WORKSPACE, project)})
        assert {row["some_source"] for row in rows} <= {"online_scoring"}
        return [
            Given(
                row["thread_id"], row["session_id"], row["author"], row["name"], float(row["some_value"]),
                row["different"], row["origin"],
            )
            for row in rows
        ]  # fmt: skip

    def _environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        return dict(os.environ) | {
            "PYTHONUNBUFFERED": "1",
            TIMEOUT_VARIABLE: self._thread_timeout,
            "THREADLINE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "THREADLINE_KAFKA_PARTITIONS": str(PARTITIONS),
            "THREADLINE_KAFKA_SESSION_TIMEOUT_MS": "3000",
            "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
            "THREADLINE_KAFKA_LAST_RECORD_ALONE": str(not self._is_apache_kafka),
            "THREADLINE_STREAM_TRANSACTIONS": str(self._is_apache_kafka),  # the embedded broker has none
            "THREADLINE_CLICKHOUSE_PORT": str(self.clickhouse.settings.port),
            "THREADLINE_OPERATION_PORT": "0",
            **{f"THREADLINE_{name.upper()}": str(value) for name, value in settings.items()},
        }


@asynccontextmanager
async def evaluating(path: Path, *stages: str, **options: Any) -> AsyncIterator[Evaluating]:
    """Yield a running line of `stages`, and kill it afterwards."""
    line = Evaluating(path, **options)
    try:
        await line.start(*stages)
        yield line
    finally:
        await line.stop()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
