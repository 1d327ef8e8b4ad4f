"""The short form of the gateway's fault suite (`tests/fault`): fewer hostile clients, a shorter silence of Kafka."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from tests.fault.gateway_load import OVERLOADED, TAKEN
from tests.fault.gateway_suite import (
    BATCHES_MEANWHILE,
    MEMORY_BYTES_MAX,
    Scale,
    Site,
    WithSdk,
    lose_kafka,
    overload,
    serve_among_hostile,
    site,
)
from tests.support.client_env import locked_python

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCALE = Scale(slow=100, bombs=4, endless=2, endless_megabytes=200, idle=500)
CLIENTS = Path(__file__).parents[2] / "contract" / "clients"
TINY = {"in_flight_bytes_max": 400_000, "in_flight_records_max": 1500, "retry_after_seconds": 1}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[Site]:
    async with site(EmbeddedBroker(free_port()), publish_timeout_seconds=1, retry_after_seconds=1) as started:
        yield started


async def test_others_are_served_whatever_hostile_clients_do(running: Site) -> None:
    served = await serve_among_hostile(running, SCALE)

    for statuses in served.others.values():
        assert statuses[TAKEN] == BATCHES_MEANWHILE
        assert statuses.keys() <= {TAKEN, OVERLOADED}
    assert all(statuses <= {413, OVERLOADED} for statuses in served.hostile.values()), served
    assert served.peak_bytes < MEMORY_BYTES_MAX


async def test_what_was_taken_is_in_kafka_although_it_was_away_under_load(running: Site) -> None:
    outcome = await lose_kafka(running, seconds=2)

    assert outcome.missing == set()
    assert outcome.log.statuses.keys() == {TAKEN, OVERLOADED}
    assert outcome.log.bare == []
    assert outcome.peak_bytes < MEMORY_BYTES_MAX


async def test_nothing_that_the_real_sdk_reported_as_sent_is_missing_after_an_overload() -> None:
    sdk = WithSdk(locked_python(CLIENTS / "requirements.txt"), processes=1, traces=100, seconds=3)
    async with site(EmbeddedBroker(free_port()), **TINY) as small:
        outcome, sent, load = await overload(small, sdk, times=3)

    assert all(one.is_flushed and len(one.ids) == sdk.traces for one in sent)
    assert outcome.missing == set()
    assert load.greed.refused > 0
    assert outcome.log.bare == []
