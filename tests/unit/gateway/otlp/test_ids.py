from uuid import UUID, uuid5

import pytest

from pipeline.errors import Malformed
from pipeline.gateway.otlp.ids import span_uuid, trace_uuid

TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")


def test_a_trace_keeps_its_id_but_for_the_bits_of_version_and_variant() -> None:
    found = trace_uuid(TRACE_ID)

    assert found == UUID("0af76519-16cd-83dd-8448-eb211c80319c")
    assert (found.version, found.variant) == (8, "specified in RFC 4122")


def test_a_trace_is_never_taken_for_one_whose_id_says_when_it_began() -> None:
    assert trace_uuid(UUID("01a20291-4e24-76d2-86bc-a025151a663c").bytes).version == 8


def test_spans_of_equal_ids_in_different_traces_are_different() -> None:
    first, second = trace_uuid(TRACE_ID), trace_uuid(TRACE_ID[::-1])

    assert span_uuid(first, b"\1" * 8) == uuid5(first, "01" * 8)
    assert span_uuid(first, b"\1" * 8) != span_uuid(second, b"\1" * 8)


@pytest.mark.parametrize("wrong", [b"", bytes(16), b"\1" * 8, b"\1" * 17])
def test_what_is_no_trace_id_is_named(wrong: bytes) -> None:
    with pytest.raises(Malformed, match="traceId"):
        trace_uuid(wrong)


@pytest.mark.parametrize("wrong", [b"", bytes(8), b"\1" * 16])
def test_what_is_no_span_id_is_named(wrong: bytes) -> None:
    with pytest.raises(Malformed, match="parentSpanId"):
        span_uuid(trace_uuid(TRACE_ID), wrong, "parentSpanId")
