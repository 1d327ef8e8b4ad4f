from typing import Any

import pytest

from pipeline.events.controls import SETTING_DECODER, Setting
from pipeline.topics import TRACES
from tests.support.asgi import call
from tests.support.gateway import PARTITIONS, RECEIVED_AT_US, MemoryGateway, kind_of

PATH = "/api/v1/private/workspaces/configurations"
TIMEOUT = "timeout_to_mark_thread_as_inactive"


def settings_of(memory: MemoryGateway) -> list[Setting]:
    """Return the settings that were written: each must stand in every partition once."""
    records = memory.producer.of(TRACES)
    assert [record.partition for record in records] == list(range(PARTITIONS)) * (len(records) // PARTITIONS)
    assert {(kind_of(record), record.key) for record in records} == {("setting", None)}
    return [SETTING_DECODER.decode(record.value or b"") for record in records[::PARTITIONS]]


async def test_a_configuration_is_written_to_every_partition_and_answered_as_it_was_understood() -> None:
    memory = MemoryGateway()
    body = {TIMEOUT: "P1D", "truncation_on_tables": False, "color_map": {"a": "#FF0000"}, "unknown": 1}

    answer = await call(
        memory.app, "PUT", PATH, {**body, "thread_score_regime": "lenient"}, {"Comet-Workspace": "team"}
    )

    assert answer.status == 200
    assert answer.json == {
        TIMEOUT: "PT24H",
        "truncation_on_tables": False,
        "color_map": {"a": "#FF0000"},
        "thread_score_regime": "lenient",
    }
    assert settings_of(memory) == [
        Setting(
            workspace="team",
            requested_at_us=RECEIVED_AT_US,
            timeout_ms=86_400_000,
            score_regime="lenient",
            truncation_on_tables=False,
            color_map={"a": "#FF0000"},
        )
    ]


@pytest.mark.parametrize("body", [{}, {TIMEOUT: None, "color_map": None}])
async def test_what_a_configuration_leaves_out_is_taken_back(body: dict[str, Any]) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", PATH, body)

    assert (answer.status, answer.json) == (200, {})
    assert settings_of(memory) == [Setting(workspace="default", requested_at_us=RECEIVED_AT_US)]


async def test_deleting_the_configuration_takes_everything_back() -> None:
    memory = MemoryGateway()

    assert (await call(memory.app, "DELETE", PATH)).status == 204
    assert settings_of(memory) == [Setting(workspace="default", requested_at_us=RECEIVED_AT_US)]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({TIMEOUT: "P7DT1S"}, 422, f"{TIMEOUT}: duration exceeds the maximum allowed of PT168H"),
        ({TIMEOUT: 1800}, 400, f"{TIMEOUT}: Expected `str | null`, got `int`"),
        ({"thread_score_regime": "none"}, 400, "thread_score_regime: Invalid enum value 'none'"),
        (
            {"color_map": {str(n): "#" for n in range(10_001)}},
            422,
            "color_map must have at most 10000 entries, not 10001",
        ),
        ({"color_map": {"a": 5}}, 400, "color_map[...]: Expected `str`, got `int`"),
        (b"x", 400, "not JSON: JSON is malformed: invalid character (byte 0)"),
    ],
)
async def test_what_may_not_be_set_is_refused_by_name(body: Any, status: int, error: str) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", PATH, body)

    assert (answer.status, answer.json) == (status, {"errors": [error]})
    assert memory.producer.counts() == {}


async def test_a_configuration_too_large_for_every_partition_is_a_413() -> None:
    memory = MemoryGateway()

    assert (await call(memory.app, "PUT", PATH, {"color_map": {"a": "x" * 300_000}})).status == 413
    assert memory.producer.counts() == {}


async def test_a_configuration_that_kafka_does_not_take_is_a_429() -> None:
    memory = MemoryGateway()
    memory.producer.break_down()

    answer = await call(memory.app, "PUT", PATH, {TIMEOUT: "PT1M"})

    assert (answer.status, answer.headers["ratelimit-reset"]) == (429, "2")
