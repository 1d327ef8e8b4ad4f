"""Broker and ClickHouse of one machine, and the environment in which our commands find them."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import ChildProcess, free_port, free_ports
from tests.support.installation import Installation, running

READY_SECONDS_MAX = 30


@pytest.fixture
async def environment(tmp_path: Path) -> AsyncIterator[Mapping[str, str]]:
    kafka, clickhouse, gateway = free_ports(3)
    broker = EmbeddedBroker(kafka)
    await broker.start()
    argv = [sys.executable, "-m", "pipeline.local.clickhouse", "--port", str(clickhouse), "--path", str(tmp_path)]
    async with await ChildProcess.start(argv):
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
    await broker.stop()


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with running(Installation(tmp_path, EmbeddedBroker(free_port()))) as installed:
        yield installed
