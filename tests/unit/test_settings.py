import os
import re

import pytest

from pipeline.errors import InvalidSettings
from pipeline.settings import TIMEOUT_VARIABLE, KafkaSettings, StreamSettings, duration_ms, load

WEEK_MS = 7 * 24 * 3600 * 1000


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("THREADLINE_") or name == TIMEOUT_VARIABLE]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("15m", 900_000), ("900s", 900_000), ("1h", 3_600_000), ("1500ms", 1500), ("1ms", 1), ("7d", WEEK_MS),
        ("168h", WEEK_MS), (" 3s ", 3000), ("3 s", 3000), ("007s", 7000),
    ],
)  # fmt: skip
def test_a_duration_is_read_in_milliseconds(text: str, milliseconds: int) -> None:
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", " ", "15", "m", "15 minutes", "1.5h", "-1s", "+1s", "1h30m", "15M", "PT15M", "1s\n2s", "1 000s", "1w"]
)
def test_another_form_of_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="15m, 900s, 1h or 1500ms"):
        duration_ms(text)


@pytest.mark.parametrize("text", ["0s", "0ms", "8d", "169h", f"{WEEK_MS + 1}ms"])
def test_a_duration_of_nothing_or_over_a_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than nothing and at most 7d"):
        duration_ms(text)


def test_an_empty_environment_is_enough() -> None:
    settings = load()

    assert (settings.kafka.partitions, settings.stream.thread_timeout_ms) == (64, 900_000)


@pytest.mark.parametrize(
    ("variable", "text", "branch", "name", "value"),
    [
        ("THREADLINE_KAFKA_PARTITIONS", "8", "kafka", "partitions", 8),
        ("THREADLINE_KAFKA_LAST_RECORD_ALONE", "true", "kafka", "last_record_alone", True),
        ("THREADLINE_CLICKHOUSE_HOST", "db", "clickhouse", "host", "db"),
        ("THREADLINE_GATEWAY_PUBLISH_TIMEOUT_SECONDS", "2.5", "gateway", "publish_timeout_seconds", 2.5),
        ("THREADLINE_STREAM_INSTANCE_ID", "worker-0", "stream", "instance_id", "worker-0"),
        ("THREADLINE_SINKS_BATCH_ROWS_MAX", "7", "sinks", "batch_rows_max", 7),
        ("THREADLINE_QUERY_CONCURRENCY_MAX", "3", "query", "concurrency_max", 3),
        ("THREADLINE_OPERATION_LOG_LEVEL", "warning", "operation", "log_level", "warning"),
        (TIMEOUT_VARIABLE, "3s", "stream", "thread_timeout", "3s"),
    ],
)
def test_a_variable_sets_the_setting_of_its_stage(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, branch: str, name: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)

    assert getattr(getattr(load(), branch), name) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("THREADLINE_KAFKA_PARTITIONS", "0"),
        ("THREADLINE_KAFKA_PARTITIONS", "many"),
        ("THREADLINE_GATEWAY_PORT", "tcp://10.0.0.1:8080"),  # what Kubernetes sets for a service of that name
        ("THREADLINE_SINKS_DEAD_LETTER_SHARE_MAX", "1.1"),
        ("THREADLINE_OPERATION_LOG_LEVEL", "loud"),
        ("THREADLINE_OPERATION_LOG_FORMAT", "xml"),
        (TIMEOUT_VARIABLE, "8d"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)

    with pytest.raises(InvalidSettings, match=f"^{variable}: "):
        load()


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ["THREADLINE_KAFKA_PARTITIONS", "THREADLINE_GATEWAY_PORT", TIMEOUT_VARIABLE]
    for variable in wrong:
        monkeypatch.setenv(variable, "wrong")

    with pytest.raises(InvalidSettings) as refusal:
        load()

    assert re.findall(r"[A-Z_]{9,}(?=: )", str(refusal.value)) == wrong


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            {"THREADLINE_KAFKA_SESSION_TIMEOUT_MS": "2999", "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": "1000"},
            "THREADLINE_KAFKA_SESSION_TIMEOUT_MS must be at least 3 x THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS",
        ),
        (
            {"THREADLINE_GATEWAY_EVENT_BYTES_MAX": "4096", "THREADLINE_GATEWAY_BODY_BYTES_MAX": "4095"},
            "THREADLINE_GATEWAY_EVENT_BYTES_MAX must not exceed THREADLINE_GATEWAY_BODY_BYTES_MAX",
        ),
    ],
)
def test_values_that_cannot_stand_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: str
) -> None:
    for variable, text in given.items():
        monkeypatch.setenv(variable, text)

    with pytest.raises(InvalidSettings, match=f"^{named}$"):
        load()


def test_values_at_the_edge_of_a_relation_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADLINE_KAFKA_SESSION_TIMEOUT_MS", "3000")
    monkeypatch.setenv("THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS", "1000")
    monkeypatch.setenv("THREADLINE_GATEWAY_EVENT_BYTES_MAX", "4096")
    monkeypatch.setenv("THREADLINE_GATEWAY_BODY_BYTES_MAX", "4096")

    assert load().gateway.event_bytes_max == 4096


def test_a_branch_is_no_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADLINE_KAFKA", "tcp://10.0.0.1:9092")

    assert load().kafka == KafkaSettings()


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADLINE_CLICKHOUSE_PASSWORD", "open sesame")
    settings = load()

    assert "sesame" not in f"{settings!r} {settings.model_dump_json()}"
    assert settings.clickhouse.password.get_secret_value() == "open sesame"


def test_settings_made_in_code_take_the_names_of_the_fields() -> None:
    assert StreamSettings(thread_timeout="3s").thread_timeout_ms == 3000
    assert KafkaSettings(bootstrap="kafka:1").bootstrap == "kafka:1"


def test_who_must_say_its_name_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADLINE_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(InvalidSettings, match="THREADLINE_KAFKA_SASL_USERNAME is required"):
        load()

    monkeypatch.setenv("THREADLINE_KAFKA_SASL_USERNAME", "threadline")
    assert load().kafka.uses_sasl
