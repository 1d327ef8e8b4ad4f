"""Broker and ClickHouse of one machine, and the environment in which our commands find them."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port, free_ports
from tests.support.clickhouse import ClickHouseProcess
from tests.support.command import RunningStage
from tests.support.installation import Installation, running


@pytest.fixture
async def environment(tmp_path: Path) -> AsyncIterator[Mapping[str, str]]:
    kafka, clickhouse, gateway = free_ports(3)
    broker = EmbeddedBroker(kafka)
    storage = ClickHouseProcess(tmp_path, clickhouse)
    try:
        # Both answer before a test begins: no command of ours waits for a database that is still starting.
        await asyncio.gather(broker.start(), storage.start())
        yield {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "THREADLINE_KAFKA_BOOTSTRAP": broker.bootstrap,
            "THREADLINE_KAFKA_PARTITIONS": "2",
            "THREADLINE_KAFKA_LAST_RECORD_ALONE": "true",
            "THREADLINE_KAFKA_SESSION_TIMEOUT_MS": "3000",
            "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
            "THREADLINE_STREAM_TRANSACTIONS": "false",  # the embedded broker has none
            "THREADLINE_CLICKHOUSE_PORT": str(clickhouse),
            "THREADLINE_GATEWAY_PORT": str(gateway),
            "THREADLINE_OPERATION_PORT": "0",
        }
    finally:
        await RunningStage.kill_all()
        await storage.kill()
        await broker.kill()


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with running(Installation(tmp_path, EmbeddedBroker(free_port()))) as installed:
        yield installed
