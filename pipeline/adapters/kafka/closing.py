"""Disconnect a Kafka consumer, whether or not its broker is still there."""

import asyncio

from aiokafka import AIOKafkaConsumer


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Disconnect `consumer`.

    aiokafka 0.14 cancels its own `stop` when a fetch has failed and is waiting to be tried again, which is so whenever
    the broker is away: the caller would be cancelled with it, and the connections stay open.
    """
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.wait({stopping})
    if stopping.cancelled():
        await consumer._client.close()  # noqa: SLF001 - the version is pinned, and test_closing.py holds it
    else:
        stopping.result()
