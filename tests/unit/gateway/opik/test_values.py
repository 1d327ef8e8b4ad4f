from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from msgspec import Raw

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.telemetry.metrics import GATEWAY_USAGE_SKIPPED
from pipeline.errors import Malformed
from pipeline.events.identity import NIL_ID, project_id
from pipeline.gateway.opik.values import Moment, Reception, counts, decimal, distinct, json_text, microseconds

RECEPTION = Reception("w", ManualClock(), key_bytes_max=64)
SECOND = 1_000_000


def moment(text: str) -> datetime:
    return msgspec.json.decode(f'"{text}"', type=Moment)


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * SECOND),
        ("2023-11-14t22:13:20.5z", 1_700_000_000 * SECOND + 500_000),
        ("2023-11-14 22:13:20.123456789Z", 1_700_000_000 * SECOND + 123_457),
        ("2299-12-31T23:59:59.999999Z", 10_413_792_000 * SECOND - 1),
    ],
)
def test_a_moment_is_microseconds_since_1970(text: str, expected_us: int) -> None:
    assert microseconds(moment(text), "start_time") == expected_us


@pytest.mark.parametrize(
    "text",
    [
        "1969-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00+23:59",
        "1970-01-01T00:00:00+00:01",
        "2300-01-01T00:00:00Z",
        "2299-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_a_moment_before_1970_or_from_2300_on_is_refused_by_name(text: str) -> None:
    with pytest.raises(Malformed, match="start_time must be from 1970 on and before 2300") as refusal:
        microseconds(moment(text), "start_time")

    assert refusal.value.field == "start_time"


@pytest.mark.parametrize("text", ["2023-11-14", "2023-11-14T22:13:20", "14.11.2023", "1700000000", "", "now"])
def test_what_is_no_rfc_3339_time_is_no_moment(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        moment(text)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", None),
        (b"null", None),
        (b'"null"', '"null"'),
        (b'"What is Opik?"', '"What is Opik?"'),
        (b'{ "b" : 1.0,"b":01e5 }', '{ "b" : 1.0,"b":01e5 }'),
        ('"zoë"'.encode(), '"zoë"'),
        (b"false", "false"),
        (b"0", "0"),
        (b"[]", "[]"),
    ],
)
def test_json_text_is_what_the_producer_wrote(raw: bytes, text: str | None) -> None:
    assert json_text(Raw(raw)) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("0", "0E-9"),
        ("1", "1.000000000"),
        ("0.5", "0.500000000"),
        ("-999999999.999999999", "-999999999.999999999"),
        ("0.12345678949", "0.123456789"),
        ("1e-400", "0E-9"),
        ("9e8", "900000000.000000000"),
    ],
)
def test_a_number_has_nine_places(given: str, text: str) -> None:
    assert str(decimal(Decimal(given), "value")) == text


@pytest.mark.parametrize("given", ["999999999.9999999991", "1e9", "-1e9", "1e999999", "NaN", "sNaN", "Infinity"])
def test_a_number_that_storage_does_not_hold_is_refused(given: str) -> None:
    with pytest.raises(Malformed, match="value must be between"):
        decimal(Decimal(given), "value")


@pytest.mark.parametrize(
    ("raw", "taken", "skipped"),
    [
        (b"", {}, 0),
        (b"null", {}, 0),
        (b"{}", {}, 0),
        (b'{"a": 1, "b": null}', {"a": 1}, 0),
        (b'{"a": 1, "b": -2, "c": 9223372036854775807}', {"a": 1, "b": -2, "c": 2**63 - 1}, 0),
        (b'{"a": 12.0, "b": -3.00, "c": 0.0, "d": 1.0000000001}', {"a": 12, "b": -3, "c": 0}, 1),
        (b'{"a": 1, "b": 1.5, "c": "3", "d": true, "e": [4], "f": {"g": 5}}', {"a": 1}, 5),
        (b'{"a": 9223372036854775808, "b": 1e3, "c": 3}', {"c": 3}, 2),
        (b'{"a": ' + b"9" * 5000 + b', "b": 2}', {"b": 2}, 1),
        (b"[1]", {}, 1),
        (b'"many"', {}, 1),
        (b"[" * 2000 + b"]" * 2000, {}, 1),
        (b'{"n": 1, "a": "' + b"x" * 70_000 + b'"}', {}, 1),
    ],
)
def test_usage_keeps_whole_numbers_and_counts_what_it_leaves_out(
    raw: bytes, taken: dict[str, int], skipped: int
) -> None:
    before = GATEWAY_USAGE_SKIPPED._value.get()

    assert counts(Raw(raw)) == taken
    assert GATEWAY_USAGE_SKIPPED._value.get() - before == skipped


@pytest.mark.parametrize("name", [None, "", "  ", "\t"])
def test_no_project_is_no_project(name: str | None) -> None:
    assert RECEPTION.project(name, None) == (None, None)
    assert RECEPTION.project_or_default(name, None) == (project_id("w", "Default Project"), None)


def test_a_project_is_known_by_its_trimmed_name() -> None:
    assert RECEPTION.project("  Zoo A ", None) == (project_id("w", "zoo a"), "Zoo A")


def test_a_projects_name_counts_more_than_an_id_and_the_nil_id_is_none() -> None:
    assert RECEPTION.project("zoo", UUID(int=7)) == (project_id("w", "zoo"), "zoo")
    assert RECEPTION.project(None, UUID(int=7)) == (UUID(int=7), None)
    assert RECEPTION.project(None, NIL_ID) == (None, None)


def test_a_key_too_long_is_refused_by_its_length_in_bytes() -> None:
    assert RECEPTION.key_text("ä" * 32, "thread_id") == "ä" * 32
    with pytest.raises(Malformed, match="thread_id is longer than 64 bytes"):
        RECEPTION.key_text("ä" * 33, "thread_id")


def test_a_thread_id_keeps_its_blanks_but_only_blanks_are_none() -> None:
    assert RECEPTION.key_text(" a\tb ", "thread_id") == " a\tb "
    assert RECEPTION.key_text(" \t\n", "thread_id") is None


def test_tags_are_kept_once_and_in_order() -> None:
    assert distinct(["b", "a", "b"]) == ("b", "a")
    assert distinct([]) == distinct(None) == ()
