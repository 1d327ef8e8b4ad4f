"""The policy in force: asked before a request is read, and applied to every record before it leaves the gateway.

Masking takes a time that grows with the records' length only; what is large is masked beside the event loop, so that
nobody else waits for it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry.metrics import GATEWAY_MASKING_SECONDS, GATEWAY_VALUES_MASKED
from pipeline.adapters.watched_file import WatchedFile
from pipeline.events.envelope import Record
from pipeline.gateway.masked import Masks
from pipeline.gateway.masking import Counts
from pipeline.gateway.policy import Policy, read_policy
from pipeline.gateway.quotas import Quotas
from pipeline.settings import GatewaySettings
from pipeline.topics import Topic

INLINE_BYTES_MAX: Final = 256 * 1024
"""Up to this size records are masked in the event loop, a few milliseconds; larger ones in an executor thread."""


class Enforcement:
    """Applies the policy file."""

    def __init__(self, file: WatchedFile[Policy], clock: Clock, *, event_bytes_max: int) -> None:
        self._file: Final = file
        self._clock: Final = clock
        self._event_bytes_max: Final = event_bytes_max
        self._quotas: Final = Quotas(clock, lambda workspace: file.content().quota_of(workspace))

    def admit(self, workspace: str) -> None:
        """Raise Overloaded where `workspace` has used up its quota."""
        self._quotas.admit(workspace)

    def charge(self, workspace: str | None, *, events: int, size: int) -> None:
        """Count what is about to be sent for `workspace`."""
        if workspace is not None:
            self._quotas.charge(workspace, events=events, size=size)

    async def masked(
        self, records_by_topic: Mapping[Topic, Sequence[Record]], workspace: str | None
    ) -> Mapping[Topic, Sequence[Record]]:
        """Return the records of one request without what the rules of their workspace find in them."""
        masks = None if workspace is None else self._file.content().masks_of(workspace)
        if masks is None:
            return records_by_topic
        began = self._clock.monotonic()
        counts: Counts = {}
        size = sum(len(record.value or b"") for records in records_by_topic.values() for record in records)
        if size > INLINE_BYTES_MAX:
            masked = await asyncio.to_thread(self._mask, masks, records_by_topic, counts)
        else:
            masked = self._mask(masks, records_by_topic, counts)
        for rule, count in counts.items():
            GATEWAY_VALUES_MASKED.labels(rule).inc(count)
        GATEWAY_MASKING_SECONDS.observe(self._clock.monotonic() - began)
        return masked

    def _mask(
        self, masks: Masks, records_by_topic: Mapping[Topic, Sequence[Record]], counts: Counts
    ) -> Mapping[Topic, Sequence[Record]]:
        return {
            topic: [masks.record(record, counts, bytes_max=self._event_bytes_max) for record in records]
            for topic, records in records_by_topic.items()
        }


def enforcement_of(settings: GatewaySettings, clock: Clock) -> Enforcement | None:
    """Return the policy of the settings; None where there is no file. Raises InvalidSettings for a faulty one."""
    if settings.policy_file is None:
        return None
    file = WatchedFile("policy", settings.policy_file, read_policy, clock)
    return Enforcement(file, clock, event_bytes_max=settings.event_bytes_max)
