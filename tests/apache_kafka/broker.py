"""Apache Kafka itself, for tests: one KRaft node, broker and controller, on this machine.

Whatever is claimed of faults, rebalances, transactions and recovery is claimed of this one, not of the embedded broker.
"""

import asyncio
import base64
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import BrokerUnavailable
from pipeline.local.kafka_probe import wait_for_broker
from pipeline.local.process import ChildProcess, free_ports, is_port_free
from tests.apache_kafka.fetch import fetch

START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 30.0
FORMAT_SECONDS_MAX = 120.0

# A short life on two cores: no second compiler tier, no OS threads for collecting, and no more memory than stated.
JVM_FLAGS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

# Production values that cost seconds or hundreds of files on one node.
TEST_SETTINGS: Final[Mapping[str, str]] = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(56 * 1024 * 1024),
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


_CLUSTER_ID: Final = re.compile(rb"(?<=\n)cluster\.id=.*")
_formatted: Final[dict[tuple[object, ...], dict[str, bytes]]] = {}
"""The files of folders that were formatted, by what they depend on."""


class ApacheKafka:
    """One node on free ports that keeps its records in `folder`; stopped or killed, it can be started again."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        listeners: Mapping[str, int] | None = None,
        scram_users: Sequence[str] = (),
        jvm_flags: Sequence[str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Take a folder to fill, broker `settings` over TEST_SETTINGS, and who is told each line of its log.

        More `listeners` are a port for each protocol; `scram_users` are as `kafka-storage --add-scram` writes them.

        `jvm_flags` stand in the place of the archive of loaded classes that prepare.py makes.
        """
        self.port, self._controller_port = free_ports(2)
        self.bootstrap: Final = f"127.0.0.1:{self.port}"
        self._folder: Final = folder
        self._properties: Final = folder / "server.properties"
        self._settings: Final = {**TEST_SETTINGS, **(settings or {})}
        self._listeners: Final = dict(listeners or {})
        self._scram_users: Final = scram_users
        self._jvm_flags: Final = jvm_flags
        self._on_line: Final = on_line
        self._process: ChildProcess | None = None

    @property
    def process(self) -> ChildProcess:
        """The process of the latest start; raises RuntimeError before the first."""
        if self._process is None:
            raise RuntimeError("Apache Kafka was not started")
        return self._process

    async def start(self) -> None:
        """Start the node and return when it answers; raises BrokerUnavailable or KafkaNotFetched."""
        libs = await asyncio.to_thread(fetch)
        if not is_port_free(self.port):  # else whoever listens there would answer in its place
            raise BrokerUnavailable(f"{self.bootstrap} is in use")
        if not self._properties.exists():
            await self._format(libs)
        self._process = await ChildProcess.start(
            [*self._java(libs), "kafka.Kafka", str(self._properties)], cwd=self._folder, on_line=self._on_line
        )
        try:
            await wait_for_broker(self._process, self.port, timeout_seconds=START_SECONDS_MAX)
        except BaseException:
            await self._process.kill()
            raise

    async def stop(self) -> None:
        """Stop the node in order (SIGTERM)."""
        await self.process.terminate(grace_seconds=STOP_SECONDS_MAX)

    async def kill(self) -> None:
        """Kill the node (SIGKILL), as a crash would."""
        await self.process.kill()

    async def _format(self, libs: Path) -> None:
        """Write the settings and make the folder a cluster of one, which is what a first start needs.

        Kafka's own tool does it, in a JVM of its own. What it wrote says nothing of ports or folders, so the next node
        of this process that differs in nothing else is given the same files, as a cluster of another id.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "formatting.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._all_settings().items()))
        log, cluster_id = self._folder / "log", _cluster_id()
        formatted = _formatted.setdefault((*self._scram_users, *sorted(self._settings.items())), {})
        if formatted:
            for name, content in formatted.items():
                (log / name).parent.mkdir(parents=True, exist_ok=True)
                (log / name).write_bytes(_CLUSTER_ID.sub(b"cluster.id=%s" % cluster_id.encode(), content))
        else:
            await self._run_storage_tool(libs, properties, cluster_id)
            files = [path for path in log.rglob("*") if path.is_file()]
            formatted |= {str(file.relative_to(log)): file.read_bytes() for file in files}
        properties.rename(self._properties)

    async def _run_storage_tool(self, libs: Path, properties: Path, cluster_id: str) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)]
        tool += [argument for user in self._scram_users for argument in ("--add-scram", user)]
        async with await ChildProcess.start([*self._java(libs), *tool], cwd=self._folder) as formatting:
            async with asyncio.timeout(FORMAT_SECONDS_MAX):
                returncode = await formatting.wait()
            if returncode != 0:
                raise BrokerUnavailable(f"formatting the log folder ended with {returncode}:\n{formatting.tail}")

    def _all_settings(self) -> dict[str, str]:
        ports = {"PLAINTEXT": self.port, "CONTROLLER": self._controller_port, **self._listeners}
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
        protocols = ",".join(f"{name}:{name}" for name in ports if name != "CONTROLLER")
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": f"{protocols},CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._folder / "log"),
            **self._settings,
        }

    def _java(self, libs: Path) -> list[str]:
        archive = class_archive(libs)
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        flags = shared if self._jvm_flags is None else self._jvm_flags
        return ["java", *JVM_FLAGS, *flags, "-Dlog4j2.level=WARN", "-cp", f"{libs}/*"]


def _cluster_id() -> str:
    """Return a UUID in base64, as Kafka writes it; its first letter, which must not look like an option, is given."""
    return "T" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def class_archive(libs: Path) -> Path:
    """Return where the archive of loaded classes for these jars stands, or would stand."""
    return libs.with_name("classes.jsa")
