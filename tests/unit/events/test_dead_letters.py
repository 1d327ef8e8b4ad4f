from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.dead_letters import DeadLetter, Origin, bytes_of, headers_text, text_of
from tests.support.event_schemas import check_round_trip, fields_of

HEADERS = st.lists(st.tuples(st.text(st.characters(exclude_categories=("Cs",))), st.binary())).map(tuple)


@given(st.none() | st.binary())
def test_bytes_come_back_as_they_were(original: bytes | None) -> None:
    assert bytes_of(text_of(original)) == original


def test_no_value_is_not_an_empty_value() -> None:
    assert (text_of(None), text_of(b"")) == (None, "")


@given(HEADERS)
def test_headers_come_back_in_order_as_they_were(headers: tuple[tuple[str, bytes], ...]) -> None:
    assert tuple((name, bytes_of(text)) for name, text in headers_text(headers)) == headers


@given(key=st.none() | st.binary(), value=st.none() | st.binary(), headers=HEADERS)
def test_a_dead_letter_keeps_everything_of_a_record(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> None:
    letter = DeadLetter(
        workspace="w", version_us=2, received_at_us=1, stage="sinks", reason="no such column", code=117, topic="traces",
        origin_log_id=UUID(int=1), origin_partition=3, origin_offset=14,
        key=text_of(key), value=text_of(value), headers=headers_text(headers),
    )  # fmt: skip
    check_round_trip("dead_letter", letter, letter.record(key).value)


@pytest.mark.parametrize(("key", "kept"), [(b"k", b"k"), (None, b"")])
def test_a_dead_letter_stands_under_the_original_key(key: bytes | None, kept: bytes) -> None:
    letter = DeadLetter(workspace="w", version_us=2, received_at_us=1, stage="gateway", reason="no id", topic="traces")
    record = letter.record(key)

    assert (record.key, record.headers[0]) == (kept, ("kind", b"dead-letter"))
    assert set(fields_of(record.value)) == {
        "workspace", "version_us", "received_at_us", "stage", "reason", "topic",
    }  # fmt: skip


@given(st.uuids(), st.integers(0, 4096), st.integers(0, 2**63), st.integers(0, 2**53))
def test_where_a_record_stood_first_comes_back_from_its_header(
    log_id: UUID, partition: int, offset: int, at_ms: int
) -> None:
    origin = Origin(log_id, partition, offset, at_ms)
    name, value = origin.header()

    assert name == "replayed-from"
    assert Origin.of_header(value) == origin


@pytest.mark.parametrize("value", [b"", b"\xff", b"1:2:3:4", b"00000000-0000-0000-0000-000000000001:2:3"])
def test_a_header_that_is_no_place_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"badly formed|unpack|decode|invalid literal"):
        Origin.of_header(value)
