from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from pipeline.events.controls import (
    COMMAND_DECODER,
    COMMAND_KINDS,
    CONTROL_KINDS,
    SETTING_DECODER,
    Command,
    CommandKind,
    LogBirth,
    ReplyTo,
    Setting,
    tick_record,
)
from pipeline.events.identity import ThreadRef, thread_key
from pipeline.events.scores import ScoreEvent
from tests.support.event_schemas import check_round_trip, fields_of

THREAD = ThreadRef("w", UUID(int=1), "chat")
SCORE = ScoreEvent(
    workspace="w", version_us=2, received_at_us=1, entity_type="thread", entity_id=UUID(int=3), event="set",
    name="helpfulness", value=Decimal("0.5"),
)  # fmt: skip


@pytest.mark.parametrize("kind", CommandKind.__args__)
@pytest.mark.parametrize("command", [Command(requested_at_us=1), Command(requested_at_us=1, score=SCORE)])
def test_a_command_stands_in_the_log_of_its_thread(kind: CommandKind, command: Command) -> None:
    record = command.record(kind, THREAD, None)

    assert (record.key, record.partition, record.headers[0]) == (thread_key(THREAD), None, ("kind", kind.encode()))
    check_round_trip("command", command, record.value)
    assert COMMAND_DECODER.decode(record.value or b"") == command


def test_a_command_names_who_waits_for_its_answer() -> None:
    waits = Command(requested_at_us=1).record("close", THREAD, ReplyTo(5, "r-ü"))
    nobody = Command(requested_at_us=1).record("close", THREAD, None)

    assert waits.headers[:-2] == nobody.headers
    assert waits.headers[-2:] == (("reply-to", b"5"), ("request-id", "r-ü".encode()))


@pytest.mark.parametrize(
    ("setting", "fields"),
    [
        (Setting(timeout_ms=900_000), {"timeout_ms": 900_000}),
        (Setting(workspace="w", timeout_ms=1), {"workspace": "w", "timeout_ms": 1}),
        (Setting(workspace="w", score_regime="lenient"), {"workspace": "w", "score_regime": "lenient"}),
        (Setting(workspace="w", requested_at_us=5), {"workspace": "w", "requested_at_us": 5}),
        (
            Setting(truncation_on_tables=False, color_map={"a": "b"}),
            {"truncation_on_tables": False, "color_map": {"a": "b"}},
        ),
        (Setting(workspace="w"), {"workspace": "w"}),
        (Setting(), {}),
    ],
)
def test_a_setting_is_written_to_a_partition(setting: Setting, fields: dict[str, object]) -> None:
    record = setting.record(3)

    assert (record.key, record.partition, record.headers[0]) == (None, 3, ("kind", b"setting"))
    assert fields_of(record.value) == fields
    check_round_trip("setting", setting, record.value)
    assert SETTING_DECODER.decode(record.value or b"") == setting


def test_a_tick_carries_nothing_but_its_kind() -> None:
    record = tick_record(7)

    assert (record.key, record.value, record.partition, record.headers[0]) == (None, b"", 7, ("kind", b"tick"))


def test_commands_are_controls_and_facts_are_not() -> None:
    assert set(CommandKind.__args__) == COMMAND_KINDS
    assert {"setting", "tick"} == CONTROL_KINDS - COMMAND_KINDS
    assert "trace" not in CONTROL_KINDS


def test_the_birth_of_a_log_is_valid_by_its_schema() -> None:
    birth = LogBirth(log_id=UUID(int=4), topic="traces", created_at_us=1)

    check_round_trip("log_birth", birth, msgspec.json.encode(birth))
