import pytest

from pipeline.errors import BrokerUnavailable, FatalError, StorageUnavailable
from pipeline.sinks.attempts import until_done


async def test_what_fails_for_storage_or_broker_is_tried_until_it_is_done() -> None:
    failures: list[Exception] = [StorageUnavailable("away", code=210), BrokerUnavailable("away")]

    async def attempt() -> None:
        if failures:
            raise failures.pop()

    await until_done(attempt, "traces", pause_seconds_max=0.001)

    assert failures == []


async def test_any_other_failure_comes_out_at_once() -> None:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        raise FatalError("no")

    with pytest.raises(FatalError):
        await until_done(attempt, "traces", pause_seconds_max=0.001)
    assert attempts == 1
