from decimal import Decimal
from uuid import UUID

import pytest

from pipeline.events.spans import SpanEvent
from tests.support.event_schemas import check_round_trip, fields_of

SPAN, TRACE = UUID(int=7), UUID(int=8)


def create(**fields: object) -> SpanEvent:
    return SpanEvent(workspace="w", version_us=2, received_at_us=1, id=SPAN, trace_id=TRACE, event="create", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "event",
    [
        create(),
        create(usage={"total_tokens": 12, "prompt_tokens": 2**40}, total_estimated_cost=Decimal("0.000000123456")),
        create(tags_reset=True, tags_added=("a", "b"), tags_removed=("c",), parent_span_id=UUID(int=9)),
        create(input='{"role": "user"}', output="null", metadata="{}", error_info="[]", ttft=12.5, type="llm"),
    ],
)
def test_an_event_is_valid_by_its_schema_and_decodes_to_itself(event: SpanEvent) -> None:
    check_round_trip("span", event, event.record().value)


def test_a_span_is_keyed_by_its_trace() -> None:
    assert create().record().key == str(TRACE).encode()
    assert create().record().headers[0] == ("kind", b"span")


def test_what_an_event_does_not_say_is_not_in_it() -> None:
    assert set(fields_of(create().record().value)) == {
        "workspace", "version_us", "received_at_us", "id", "trace_id", "event",
    }  # fmt: skip


def test_a_cost_keeps_all_its_decimal_places() -> None:
    event = create(total_estimated_cost=Decimal("0.000000123456"))

    # As text: a JSON number would pass through a binary fraction on its way.
    assert Decimal(str(fields_of(event.record().value)["total_estimated_cost"])) == Decimal("0.000000123456")
    assert isinstance(fields_of(event.record().value)["total_estimated_cost"], str)
