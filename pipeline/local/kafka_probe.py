"""Ask a Kafka broker of this machine whether it answers, with one request of the wire protocol.

No client library: those belong to the stages, and they retry and log where we want to know.
Layout of the request: https://kafka.apache.org/protocol (Metadata, api key 3, version 1).
"""

import asyncio
import struct
from contextlib import suppress

from pipeline.errors import BrokerUnavailable
from pipeline.local.process import ChildProcess

METADATA_KEY = 3
METADATA_VERSION = 1
NO_CLIENT_ID = -1
NO_TOPICS = 0
ATTEMPT_SECONDS = 2.0
ATTEMPT_INTERVAL_SECONDS = 0.02


async def count_brokers(port: int) -> int:
    """Return how many brokers the one at 127.0.0.1:`port` says are alive; raises OSError or EOFError.

    A KRaft broker answers before it has been let into its cluster, and then counts none.
    """
    async with asyncio.timeout(ATTEMPT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            request = struct.pack(">hhihi", METADATA_KEY, METADATA_VERSION, 0, NO_CLIENT_ID, NO_TOPICS)
            writer.write(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            _correlation_id, brokers = struct.unpack_from(">ii", await reader.readexactly(size))
        finally:
            writer.close()
    return int(brokers)


async def wait_for_broker(process: ChildProcess, port: int, *, timeout_seconds: float) -> None:
    """Return when `process` answers as a broker on 127.0.0.1:`port`.

    Raises BrokerUnavailable, with the last lines of its output, if it ends or takes longer than `timeout_seconds`.
    """
    ready = asyncio.create_task(_poll(port))
    ended = asyncio.create_task(process.wait())
    try:
        done, _ = await asyncio.wait({ready, ended}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if ended in done:
            raise BrokerUnavailable(f"the broker ended with {ended.result()}:\n{process.tail}")
        if ready not in done:
            raise BrokerUnavailable(f"no answer on port {port} within {timeout_seconds} s:\n{process.tail}")
        ready.result()
    finally:
        ready.cancel()
        ended.cancel()


async def _poll(port: int) -> None:
    while True:
        with suppress(OSError, EOFError):  # not listening yet, or not answering yet (a timeout is an OSError)
            if await count_brokers(port) > 0:
                return
        await asyncio.sleep(ATTEMPT_INTERVAL_SECONDS)
