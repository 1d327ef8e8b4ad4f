from typing import Any

import pytest

from pipeline.gateway.otlp.telemetry import SpanSent


def a_span(**fields: Any) -> SpanSent:
    return SpanSent(
        **({"trace_id": b"t", "span_id": b"s", "parent_id": b"", "name": "", "start_ns": 1, "end_ns": 2} | fields)
    )


def test_a_span_without_a_parent_is_a_root() -> None:
    assert a_span().is_root
    assert not a_span(parent_id=b"p").is_root


@pytest.mark.parametrize(("flags", "local"), [(0, None), (0x01, None), (0x100, True), (0x101, True), (0x300, False)])
def test_flags_say_where_the_parent_is(flags: int, local: object) -> None:
    assert a_span(flags=flags).parent_is_local is local
