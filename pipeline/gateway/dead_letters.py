"""Items of requests that could not be taken, as dead letters."""

from collections.abc import Sequence
from typing import Final

from pipeline.adapters.clock import Clock
from pipeline.events.dead_letters import DeadLetter, text_of
from pipeline.events.envelope import Record
from pipeline.gateway.opik.batch import Refusal
from pipeline.topics import Topic

_ENVELOPE_BYTES_MAX: Final = 8192  # what a dead letter has beside its value: reason, topic, workspace, times
_REASON_CHARACTERS_MAX: Final = 1000


def dead_letter(refusal: Refusal, *, topic: Topic, workspace: str, clock: Clock, event_bytes_max: int) -> Record:
    """Return the dead letter of an item that was meant for `topic`.

    An item that would not fit into a record, base64 being a third longer, is kept up to what fits, and its reason
    says so.
    """
    item_bytes_max = max(0, (event_bytes_max - _ENVELOPE_BYTES_MAX) // 4 * 3)
    kept = refusal.item[:item_bytes_max]
    reason = refusal.fault.reason[:_REASON_CHARACTERS_MAX]
    if len(kept) < len(refusal.item):
        reason = f"{reason} (kept are the first {len(kept):,} of its {len(refusal.item):,} bytes)"
    received_at_us = clock.now_us()
    event = DeadLetter(
        workspace=workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        stage="gateway",
        reason=reason,
        topic=topic.name,
        value=text_of(kept),
    )
    return event.record(None)


def dead_letters(
    refusals: Sequence[Refusal], *, topic: Topic, workspace: str, clock: Clock, event_bytes_max: int
) -> list[Record]:
    """Return the dead letters of all `refusals`."""
    return [
        dead_letter(refusal, topic=topic, workspace=workspace, clock=clock, event_bytes_max=event_bytes_max)
        for refusal in refusals
    ]
