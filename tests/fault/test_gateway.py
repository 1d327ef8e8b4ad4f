"""The long form: make fault SEED=n."""

from pathlib import Path

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.fairness import GREEDY_TIMES, SHARE, measure_fairness
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from tests.apache_kafka.broker import ApacheKafka
from tests.fault.gateway_load import OVERLOADED, TAKEN
from tests.fault.gateway_suite import (
    BATCHES_MEANWHILE,
    MEMORY_BYTES_MAX,
    Scale,
    WithSdk,
    lose_kafka_with_sdk,
    overload,
    serve_among_hostile,
    site,
)
from tests.support.client_env import locked_python

SCALE = Scale(slow=2000, bombs=50, endless=8, endless_megabytes=1024, idle=5000)
FAIRNESS_SECONDS = 20.0
CLIENTS = Path(__file__).parents[1] / "contract" / "clients"
SMALL = {"in_flight_bytes_max": 2_000_000, "in_flight_records_max": 1500, "retry_after_seconds": 1}
"""Room for one of the SDK's largest batches, and not for all that is sent at once."""


async def test_others_are_served_whatever_hostile_clients_do() -> None:
    async with site(EmbeddedBroker(free_port())) as running:
        served = await serve_among_hostile(running, SCALE)

    for statuses in served.others.values():
        assert statuses[TAKEN] == BATCHES_MEANWHILE
        assert statuses.keys() <= {TAKEN, OVERLOADED}
    assert all(statuses <= {413, OVERLOADED} for statuses in served.hostile.values()), served
    assert served.peak_bytes < MEMORY_BYTES_MAX


@pytest.mark.apache_kafka
async def test_neither_what_was_taken_nor_what_the_real_sdk_sent_is_lost_where_kafka_is_away_for_30_seconds(
    tmp_path: Path,
) -> None:
    sdk = WithSdk(locked_python(CLIENTS / "requirements.txt"), processes=2, traces=2000, seconds=60)
    async with site(ApacheKafka(tmp_path)) as running:
        outcome, sent = await lose_kafka_with_sdk(running, sdk, seconds=30, writers=16)

    print(f"answers {dict(outcome.log.statuses)}, the SDK sent {[len(one.ids) for one in sent]}")
    assert all(one.is_flushed and len(one.ids) == sdk.traces for one in sent)
    assert outcome.missing == set()
    assert outcome.log.statuses.keys() == {TAKEN, OVERLOADED}
    assert outcome.log.bare == []
    assert outcome.peak_bytes < MEMORY_BYTES_MAX


@pytest.mark.apache_kafka
async def test_nothing_that_the_real_sdk_reported_as_sent_is_missing_after_a_minute_of_three_times_too_much(
    tmp_path: Path,
) -> None:
    sdk = WithSdk(locked_python(CLIENTS / "requirements.txt"), processes=4, traces=5000, seconds=60)
    async with site(ApacheKafka(tmp_path), **SMALL) as running:
        outcome, sent, load = await overload(running, sdk, times=3)

    print(f"{load}; beside it {dict(outcome.log.statuses)}, peak memory {outcome.peak_bytes / 1e6:.0f} MB")
    assert all(one.is_flushed and len(one.ids) == sdk.traces for one in sent)
    assert outcome.missing == set()
    assert load.greed.refused > 0
    assert outcome.log.bare == []
    assert outcome.peak_bytes < MEMORY_BYTES_MAX


async def test_a_workspace_with_ten_times_its_share_is_held_to_it_and_others_are_taken_all_the_same() -> None:
    fairness = await measure_fairness(FAIRNESS_SECONDS, SystemClock())

    sent = SHARE * GREEDY_TIMES * FAIRNESS_SECONDS
    print(f"p99 of the other workspace: {fairness.ratio:.2f} x that apart from it ({fairness})")
    assert fairness.greed.traces_taken < sent / 4
    assert fairness.greed.refused > 0
