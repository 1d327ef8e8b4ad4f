from collections.abc import Sequence
from itertools import pairwise

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.kafka.packing import pack
from pipeline.events.envelope import Record, headers_of

BATCH_BYTES_MAX = 2048
SIZES = st.lists(st.integers(0, 3 * BATCH_BYTES_MAX), max_size=20)


class Maker:
    """Makes the very batches that a started producer makes."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES_MAX, 0)


def records_of_sizes(sizes: Sequence[int]) -> list[Record]:
    headers = headers_of("trace")
    return [Record(b"%d" % number, b"x" * size, headers) for number, size in enumerate(sizes)]


def packed(records: Sequence[Record], *, last_record_alone: bool = False) -> list[bytes]:
    return [bytes(batch._build()) for batch in pack(Maker(), records, last_record_alone=last_record_alone)]


def unpacked(batch: bytes) -> list[Record]:
    """Read a batch as a consumer would."""
    memory = MemoryRecords(batch)
    return [
        Record(record.key, record.value, tuple(record.headers))
        for inside in iter(memory.next_batch, None)
        for record in inside
    ]


@given(SIZES, st.booleans())
def test_every_record_is_packed_once_and_in_order(sizes: list[int], last_record_alone: bool) -> None:  # noqa: FBT001
    records = records_of_sizes(sizes)
    batches = packed(records, last_record_alone=last_record_alone)

    assert [record for batch in batches for record in unpacked(batch)] == records


@given(SIZES)
def test_only_a_record_on_its_own_is_over_the_size_of_a_batch(sizes: list[int]) -> None:
    assert all(len(batch) <= BATCH_BYTES_MAX or len(unpacked(batch)) == 1 for batch in packed(records_of_sizes(sizes)))


@given(SIZES)
def test_a_batch_ends_only_where_the_next_record_does_not_fit(sizes: list[int]) -> None:
    for batch, following in pairwise(packed(records_of_sizes(sizes))):
        # A record is its value, its two headers and at most twenty bytes of lengths and offsets.
        overhead = sum(len(name) + len(value) for name, value in headers_of("trace")) + 20
        assert len(batch) + len(unpacked(following)[0].value or b"") + overhead > BATCH_BYTES_MAX


@pytest.mark.parametrize(("count", "shape"), [(1, [1]), (2, [1, 1]), (5, [4, 1])])
def test_the_last_record_can_be_a_batch_of_its_own(count: int, shape: list[int]) -> None:
    batches = packed(records_of_sizes([10] * count), last_record_alone=True)

    assert [len(unpacked(batch)) for batch in batches] == shape


def test_nothing_to_pack_is_no_batch() -> None:
    assert (packed([]), packed([], last_record_alone=True)) == ([], [])


def test_no_key_no_value_and_an_empty_value_are_kept_apart() -> None:
    records = [Record(None, b"", ()), Record(b"", None, ()), Record(b"k", b"v", (("a", b"1"), ("a", b"\xff")))]
    [batch] = packed(records)

    assert unpacked(batch) == records


def test_a_batch_is_closed_when_it_is_handed_over() -> None:
    for batch in pack(Maker(), records_of_sizes([1500, 1500]), last_record_alone=False):
        assert batch.append(timestamp=None, key=b"late", value=b"", headers=[]) is None
