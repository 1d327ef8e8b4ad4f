import json

import pytest

from pipeline.local.console import is_ready, line_of

LINE = {
    "event": "stored", "level": "info", "logger": "pipeline.sinks.loop", "stage": "sinks",
    "timestamp": "2026-11-23T05:16:17.137285Z", "rows": 3, "topic": "traces",
}  # fmt: skip


def plain(name: str, **fields: object) -> str:
    return line_of(name, json.dumps({**LINE, **fields}), colours=False)


def test_a_log_line_becomes_words_with_the_time_of_day() -> None:
    assert plain("sink") == "sink       05:16:17 stored  rows=3 topic=traces"


def test_a_name_fills_its_column() -> None:
    assert plain("clickhouse").startswith("clickhouse 05:16:17")


def test_a_line_without_fields_ends_with_its_words() -> None:
    assert line_of("sink", json.dumps({"event": "stored"}), colours=False) == "sink        stored"


@pytest.mark.parametrize(
    ("value", "written"), [("a b", "a b"), (1.5, "1.5"), (None, "null"), (["a", 1], '["a", 1]'), ({"a": 1}, '{"a": 1}')]
)
def test_a_field_is_written_as_short_as_it_can_be(value: object, written: str) -> None:
    assert plain("sink", field=value).endswith(f" field={written}")


def test_a_traceback_follows_on_lines_of_its_own() -> None:
    first, *rest = plain("sink", exception="Traceback:\n  line 1").splitlines()

    assert "exception" not in first
    assert rest == ["Traceback:", "  line 1"]


@pytest.mark.parametrize(
    "line", ["", "plain words", "{", "{broken", "[1]", '"text"', "{}", '{"level": "info"}', '  {"event": "x"}']
)
def test_what_is_no_log_line_of_ours_stands_as_it_is(line: str) -> None:
    assert line_of("kafka", line, colours=False) == f"kafka      {line}"
    assert not is_ready(line)


@pytest.mark.parametrize(("level", "code"), [("warning", 33), ("error", 31), ("critical", 31)])
def test_what_needs_attention_stands_out(level: str, code: int) -> None:
    line = line_of("sink", json.dumps({**LINE, "level": level}), colours=True)

    assert f"\x1b[{code}mstored\x1b[0m" in line


def test_each_process_has_its_colour_and_an_unknown_one_is_white() -> None:
    assert line_of("kafka", "x", colours=True) == "\x1b[35mkafka     \x1b[0m x"
    assert line_of("other", "x", colours=True) == "\x1b[37mother     \x1b[0m x"


def test_without_colours_no_escape_is_written() -> None:
    assert "\x1b" not in plain("sink", level="critical", exception="no")


@pytest.mark.parametrize(
    ("line", "ready"),
    [('{"event": "ready"}', True), ('{"event": "ready soon"}', False), ("ready", False), ('{"ready": true}', False)],
)
def test_a_stage_is_ready_when_it_says_so(line: str, ready: bool) -> None:  # noqa: FBT001
    assert is_ready(line) is ready
