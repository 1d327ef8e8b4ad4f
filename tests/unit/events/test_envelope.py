import msgspec
import pytest

from pipeline.events.controls import CONTROL_KINDS
from pipeline.events.envelope import SCHEMA_VERSION_HEADER, Event, Kind, Record, headers_of, record_of
from tests.support.event_schemas import fields_of

FACTS: tuple[Kind, ...] = ("trace", "span", "score", "annotation", "thread", "reply", "dead-letter")


@pytest.mark.parametrize("kind", FACTS)
def test_the_kind_comes_first_and_the_version_second(kind: Kind) -> None:
    assert headers_of(kind) == (("kind", kind.encode()), ("schema-version", b"1"))


def test_every_control_has_a_kind() -> None:
    assert set(CONTROL_KINDS) <= set(Kind.__args__)


def test_an_event_becomes_one_line_of_json_under_its_key() -> None:
    record = record_of(Event(workspace="a\nb", version_us=2, received_at_us=1), "trace", b"key")

    assert (record.key, record.partition) == (b"key", None)
    assert fields_of(record.value) == {"workspace": "a\nb", "version_us": 2, "received_at_us": 1}
    assert record.headers[1] == SCHEMA_VERSION_HEADER


def test_records_and_events_never_change() -> None:
    with pytest.raises(AttributeError):
        Record(b"", b"", ()).key = b"other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Event(workspace="a", version_us=2, received_at_us=1).workspace = "b"  # type: ignore[misc]


@pytest.mark.parametrize("missing", ["workspace", "version_us", "received_at_us"])
def test_an_event_without_one_of_the_common_fields_is_refused(missing: str) -> None:
    fields = {"workspace": "a", "version_us": 2, "received_at_us": 1}
    del fields[missing]

    with pytest.raises(msgspec.ValidationError, match=missing):
        msgspec.convert(fields, Event)
