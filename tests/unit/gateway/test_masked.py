import base64
import json
from typing import Any

import pytest

from pipeline.events.envelope import Record, headers_of
from pipeline.gateway.masked import LEFT_OUT, Masks
from pipeline.gateway.masking import BUILT_IN, Counts, Expressions, path_of

EXPRESSIONS = Expressions(list(BUILT_IN.values()))
DEEP = "[" * 100_000


def mask(
    event: dict[str, Any], kind: Any = "trace", *paths: str, expressions: Expressions | None = EXPRESSIONS,
    bytes_max: int = 10_000_000,
) -> tuple[dict[str, Any], Counts]:  # fmt: skip
    counts: Counts = {}
    masks = Masks(expressions, [path_of(f"path-{number}", path, "[gone]") for number, path in enumerate(paths)])
    record = Record(b"k", json.dumps(event).encode(), headers_of(kind), workspace="w")
    masked = masks.record(record, counts, bytes_max=bytes_max)
    assert (masked.key, masked.headers, masked.workspace) == (record.key, record.headers, record.workspace)
    return json.loads(masked.value or b""), counts


@pytest.mark.parametrize("kind", ["trace", "span"])
@pytest.mark.parametrize("name", ["input", "output", "metadata", "error_info"])
def test_every_document_of_traces_and_spans_is_masked(kind: str, name: str) -> None:
    event = {"workspace": "w", "name": "a@b.de", "tags_added": ["a@b.de"], name: '{"x": "a@b.de"}'}

    assert mask(event, kind)[0] == {**event, name: '{"x": "[email]"}'}


@pytest.mark.parametrize(
    ("kind", "event", "expected"),
    [
        ("score", {"reason": "said a@b.de"}, {"reason": "said [email]"}),
        ("score", {"score": {"reason": "said a@b.de"}}, {"score": {"reason": "said [email]"}}),
        ("annotation", {"text": "said a@b.de"}, {"text": "said [email]"}),
        ("close", {"project_name": "a@b.de"}, {"project_name": "a@b.de"}),
    ],
)
def test_reasons_and_comments_are_masked(kind: str, event: dict[str, Any], expected: dict[str, Any]) -> None:
    assert mask(event, kind)[0] == expected


@pytest.mark.parametrize(
    "original",
    [b'{"input": "a@b.de"}', rb'{"input": "a\u0040b.de", "', b"a@b.de", b'{"input": "a@b.de', b"\xff a@b.de"],
)
def test_a_dead_letter_keeps_nothing_of_what_is_masked_whatever_it_holds(original: bytes) -> None:
    letter = {"value": base64.b64encode(original).decode(), "reason": "input: 'a@b.de'"}

    masked, _ = mask(letter, "dead-letter")

    assert masked["reason"] == "input: '[email]'"
    assert b"[email]" in base64.b64decode(masked["value"])
    assert b"b.de" not in base64.b64decode(masked["value"])


def test_paths_begin_at_the_event_and_numbers_elsewhere_stay_as_they_came() -> None:
    event = {
        "input": '{"user": {"name": "n"}, "x": 1.0}',
        "metadata": '{"user":  {"name": "n"}}',
        "output": '{"a": 1.0 }',
    }

    masked, counts = mask(event, "trace", "$.input.user", "$.output.none")

    assert masked == {**event, "input": '{"user":"[gone]","x":1.0}'}
    assert counts == {"path-0": 1}


def test_a_path_of_any_depth_is_found_under_an_escaped_name() -> None:
    assert mask({"metadata": r'{"pass\u0077ord": 1}'}, "trace", "$..password")[0] == {
        "metadata": '{"password":"[gone]"}'
    }


def test_a_path_may_name_a_whole_document() -> None:
    assert mask({"metadata": '{"a": 1}', "input": '"q"'}, "trace", "$.metadata")[0] == {
        "metadata": '"[gone]"', "input": '"q"',
    }  # fmt: skip


def test_paths_apply_to_a_dead_letter_and_one_that_cannot_be_read_is_left_out() -> None:
    for original, kept in (
        (b'{"input": {"password": 1}}', b'{"input":{"password":"[gone]"}}'),
        (b"{", LEFT_OUT.encode()),
    ):
        letter = {"value": base64.b64encode(original).decode(), "reason": "r"}
        masked, _ = mask(letter, "dead-letter", "$..password")
        assert base64.b64decode(masked["value"]) == kept


def test_what_is_nested_too_deeply_for_a_path_is_left_out_and_counted() -> None:
    deep = DEEP + '"password"' + "]" * len(DEEP)

    masked, counts = mask({"input": deep}, "trace", "$..password")

    assert masked == {"input": f'"{LEFT_OUT}"'}
    assert counts == {"unmaskable": 1}


@pytest.mark.parametrize(
    ("kind", "event", "expected"),
    [
        ("trace", {"id": "i", "input": '"a@b.de"'}, {"id": "i", "input": '"[masked]"'}),
        ("score", {"score": {"reason": "a@b.de"}}, {"score": {"reason": "[masked]"}}),
        ("annotation", {"text": "a@b.de"}, {"text": "[masked]"}),
        (
            "dead-letter",
            {"value": base64.b64encode(b"a@b.de").decode(), "reason": "r"},
            {"value": "W21hc2tlZF0=", "reason": "r"},
        ),
    ],
)
def test_an_event_that_masking_makes_too_large_keeps_nothing_of_its_texts(
    kind: str, event: dict[str, Any], expected: dict[str, Any]
) -> None:
    masked, counts = mask(event, kind, bytes_max=10)

    assert masked == expected
    assert counts["unmaskable"] == 1


def test_a_record_without_anything_to_mask_is_the_same_object() -> None:
    masks = Masks(EXPRESSIONS, [])
    for record in (
        Record(b"k", b'{"input":"1.0","workspace":"w"}', headers_of("trace")),
        Record(None, b"", headers_of("tick")),
        Record(None, None, ()),
    ):
        assert masks.record(record, {}, bytes_max=1000) is record
