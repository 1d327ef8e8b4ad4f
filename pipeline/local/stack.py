"""The whole of Threadline on one machine: embedded Kafka, embedded ClickHouse and every stage as a process of its own.

Stages are started as the commands that production runs; nothing of theirs is imported here.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pipeline.errors import FatalError
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.console import is_ready
from pipeline.local.process import ChildProcess, free_ports
from pipeline.settings import TIMEOUT_VARIABLE, ClickHouseSettings, KafkaSettings

STAGES: Final = ("serve", "worker", "evaluate", "sink")
OnLine = Callable[[str, str], None]
"""Is handed the name of a process and one line of its output."""

_START_SECONDS_MAX: Final = 180.0  # of a machine that does other things too
_GRACE_SECONDS: Final = 30.0
_PARTITIONS: Final = 8
_CLICKHOUSE_FOLDER: Final = "clickhouse"


class Stack:
    """The processes of one machine; `data_dir` keeps ClickHouse's files, Kafka forgets everything when it stops.

    `evaluators` judge the threads of projects without a rule; where none are given, those of the environment. What
    stands in `environment` is set for every process.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int,
        thread_timeout: str | None,
        on_line: OnLine,
        partitions: int = _PARTITIONS,
        evaluators: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        ports = [free for free in free_ports(4 + len(STAGES)) if free != port]  # one may be that of `serve` itself
        kafka, self._clickhouse_port, self._port, *operation = ports[: 3 + len(STAGES)]
        self._port = port or self._port
        self._data_dir = data_dir
        self._on_line = on_line
        self._operation_ports = dict(zip(STAGES, operation, strict=True))
        self._broker = EmbeddedBroker(kafka, on_line=lambda line: on_line("kafka", line))
        self._children: dict[str, ChildProcess] = {}
        self._expected_to_end: set[str] = set()
        self._failures: asyncio.Queue[str] = asyncio.Queue()
        self._watchers: set[asyncio.Task[None]] = set()
        self.kafka = KafkaSettings(
            bootstrap=self._broker.bootstrap,
            partitions=partitions,
            last_record_alone=True,
            # Its time goes to bytes through sockets, and it keeps them all: packed, a trace costs it half the CPU and
            # two fifths of the memory, and the gateway an eighth more.
            compression="zstd",
            # The embedded broker holds a member that joins for up to two sessions.
            session_timeout_ms=3000,
            heartbeat_interval_ms=500,
        )
        self.clickhouse = ClickHouseSettings(host="127.0.0.1", port=self._clickhouse_port)
        self._environment = {**self._common_environment(thread_timeout), **environment}
        if evaluators is not None:
            self._environment["THREADLINE_EVALUATE_DEFAULT_EVALUATORS"] = evaluators

    @property
    def base_url(self) -> str:
        """Where the page is; the API is below `/api`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def operation_ports(self) -> Mapping[str, int]:
        """The operator's port of each stage."""
        return self._operation_ports

    @property
    def pids(self) -> Mapping[str, int]:
        """The process of each stage, of ClickHouse and of Kafka."""
        return {"kafka": self._broker.process.pid} | {name: child.pid for name, child in self._children.items()}

    async def start(self) -> None:
        """Start everything and return when every stage takes work; raises FatalError where one does not."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        has_stored = (self._data_dir / _CLICKHOUSE_FOLDER).exists()
        await asyncio.gather(self._broker.start(), self._start_clickhouse())
        await self._run_to_end("migrate")
        if has_stored:  # by an earlier run, whose log is gone: its open threads go on in the new one
            await self._run_to_end("reseed")
        await asyncio.gather(*(self._start_stage(name) for name in STAGES))

    async def stop(self) -> None:
        """Stop everything, each stage draining into what still runs: first what takes in, last what keeps."""
        for name in (*STAGES, "clickhouse"):
            child = self._children.get(name)
            self._expected_to_end.add(name)
            if child is not None:
                await child.terminate(_GRACE_SECONDS)
        await self._broker.stop()
        await asyncio.gather(*self._watchers)

    async def kill(self, name: str) -> None:
        """End one process by -9, as a crash would."""
        self._expected_to_end.add(name)
        await self._children[name].kill()

    async def restart(self, name: str) -> None:
        """Start a process again that was killed, and wait until it takes work."""
        await (self._start_clickhouse() if name == "clickhouse" else self._start_stage(name))

    async def first_failure(self) -> str:
        """Wait until a process ends that nobody stopped, and say which and how."""
        return await self._failures.get()

    async def _watch(self, name: str, child: ChildProcess) -> None:
        code = await child.wait()
        if name not in self._expected_to_end:
            self._failures.put_nowait(f"{name} ended with exit code {code}:\n{child.tail}")

    async def _start_clickhouse(self) -> None:
        path = self._data_dir / _CLICKHOUSE_FOLDER
        argv = [sys.executable, "-m", "pipeline.local.clickhouse", "--port", str(self._clickhouse_port)]
        await self._start_child("clickhouse", [*argv, "--path", str(path)], lambda line: "listens on" in line)

    async def _start_stage(self, name: str) -> None:
        argv = [sys.executable, "-m", "pipeline", name]
        own = {"THREADLINE_OPERATION_PORT": str(self._operation_ports[name])}
        await self._start_child(name, argv, is_ready, own)

    async def _run_to_end(self, command: str) -> None:
        child = await ChildProcess.start(
            [sys.executable, "-m", "pipeline", command],
            env=self._environment,
            on_line=lambda line: self._on_line(command, line),
        )
        if await child.wait() != 0:
            raise FatalError(f"{command} failed:\n{child.tail}")

    async def _start_child(
        self, name: str, argv: list[str], says_ready: Callable[[str], bool], own: Mapping[str, str] | None = None
    ) -> None:
        ready = asyncio.Event()

        def on_line(line: str) -> None:
            if says_ready(line):
                ready.set()
            self._on_line(name, line)

        child = await ChildProcess.start(argv, env={**self._environment, **(own or {})}, on_line=on_line)
        self._children[name] = child
        self._expected_to_end.discard(name)
        watcher = asyncio.create_task(self._watch(name, child))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        await self._wait_until_ready(name, child, ready)

    async def _wait_until_ready(self, name: str, child: ChildProcess, ready: asyncio.Event) -> None:
        waiting = asyncio.ensure_future(ready.wait())
        ended = asyncio.ensure_future(child.wait())
        await asyncio.wait({waiting, ended}, timeout=_START_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        ended.cancel()
        if not ready.is_set():
            how = "ended" if child.returncode is not None else f"was not ready within {_START_SECONDS_MAX:g} s"
            raise FatalError(f"{name} {how}:\n{child.tail}")

    def _common_environment(self, thread_timeout: str | None) -> dict[str, str]:
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "THREADLINE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "THREADLINE_KAFKA_PARTITIONS": str(self.kafka.partitions),
            "THREADLINE_KAFKA_LAST_RECORD_ALONE": str(self.kafka.last_record_alone),
            "THREADLINE_KAFKA_COMPRESSION": self.kafka.compression,
            "THREADLINE_KAFKA_SESSION_TIMEOUT_MS": str(self.kafka.session_timeout_ms),
            "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": str(self.kafka.heartbeat_interval_ms),
            "THREADLINE_STREAM_TRANSACTIONS": "false",  # the embedded broker has none
            "THREADLINE_CLICKHOUSE_HOST": self.clickhouse.host,
            "THREADLINE_CLICKHOUSE_PORT": str(self.clickhouse.port),
            "THREADLINE_GATEWAY_HOST": "127.0.0.1",
            "THREADLINE_GATEWAY_PORT": str(self._port),
            "THREADLINE_OPERATION_LOG_FORMAT": "json",
        }
        if thread_timeout is not None:
            environment[TIMEOUT_VARIABLE] = thread_timeout
        return environment
