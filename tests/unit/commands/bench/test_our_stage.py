import asyncio

import pytest

from pipeline.commands.bench.our_stage import _operation_port, environment_of, within
from pipeline.errors import FatalError
from pipeline.settings import KafkaSettings


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ('{"event": "starting", "operation_port": 34567}', 34567),
        ('{"event": "ready"}', None),
        ('"operation_port"', None),
        ("a warning of some library", None),
        ("", None),
    ],
)
def test_the_worker_says_which_port_it_has_opened(line: str, port: int | None) -> None:
    assert _operation_port(line) == port


def test_a_stage_is_told_the_broker_of_the_bench_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADLINE_KAFKA_BOOTSTRAP", "kafka.example:9092")
    kafka = KafkaSettings(bootstrap="127.0.0.1:1", partitions=4, last_record_alone=True)

    found = environment_of(kafka)

    assert found["THREADLINE_KAFKA_BOOTSTRAP"] == "127.0.0.1:1"
    assert found["THREADLINE_KAFKA_PARTITIONS"] == "4"
    assert found["THREADLINE_KAFKA_LAST_RECORD_ALONE"] == "True"


async def test_a_step_that_takes_too_long_is_a_failure_that_names_it() -> None:
    with pytest.raises(FatalError, match=r"waited 0\.01 s for the stage to commit"):
        async with within(0.01, "the stage to commit"):
            await asyncio.Event().wait()
