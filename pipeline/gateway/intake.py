"""What every route of the gateway does around its own entity: read the body, publish, set aside, answer."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry.metrics import GATEWAY_EVENTS_REFUSED
from pipeline.adapters.web.body import body_of
from pipeline.adapters.web.budget import ByteBudget
from pipeline.adapters.web.caller import caller_of
from pipeline.errors import Malformed
from pipeline.events.envelope import Record
from pipeline.gateway.dead_letters import dead_letters
from pipeline.gateway.json_text import normalised
from pipeline.gateway.opik.batch import Items, Limits, Refusal, Taken, bounded
from pipeline.gateway.opik.values import Reception
from pipeline.gateway.publish import Publisher
from pipeline.settings import GatewaySettings
from pipeline.topics import DEAD_LETTERS, Topic

T = TypeVar("T")

_GROWTH_MAX: Final = 2
"""How much larger than its body a request may be as events: payloads are JSON in a string there, quotes escaped."""

SET_ASIDE_HEADER: Final = "X-Threadline-Set-Aside"
"""How many items of a batch went to dead-letters; absent where none did."""


class Intake:
    """Takes requests in."""

    def __init__(self, settings: GatewaySettings, clock: Clock, publisher: Publisher, budget: ByteBudget) -> None:
        self.settings: Final = settings
        self.clock: Final = clock
        self.publisher: Final = publisher
        self._budget: Final = budget
        self.limits: Final = Limits(
            settings.batch_items_max, settings.event_bytes_max, _GROWTH_MAX * settings.body_bytes_max
        )

    def reception(self, request: Request) -> Reception:
        """Return how the fields of `request` are to be read.

        Raises Malformed for a faulty workspace, and Overloaded for one that has used up its quota.
        """
        caller = caller_of(request, workspace_bytes_max=self.settings.key_bytes_max)
        self.publisher.admit(caller.workspace)
        return Reception(caller.workspace, self.clock, self.settings.key_bytes_max)

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[tuple[bytes, Reception]]:
        """Yield the body of `request`, inflated, whatever it is, and how to read its fields."""
        reception = self.reception(request)
        async with body_of(
            request,
            budget=self._budget,
            bytes_max=self.settings.body_bytes_max,
            workspace=reception.workspace,
            idle_seconds_max=self.settings.body_idle_seconds_max,
            seconds_max=self.settings.body_seconds_max,
        ) as body:
            yield body, reception

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[tuple[bytes, Reception]]:
        """Yield the JSON body of `request`, inflated and fit to be stored, and how to read its fields."""
        async with self.receive(request) as (body, reception):
            yield normalised(body), reception

    def split(self, items: Items[T], body: bytes, shape: Callable[[T], Record]) -> Taken:
        """Shape the items of `body` into records and refusals, within our limits."""
        return items.take(body, shape, self.limits)

    async def take(
        self, items: Items[T], body: bytes, shape: Callable[[T], Record], topic: Topic, reception: Reception
    ) -> Response:
        """Publish the good items of `body` to `topic`, set the others aside, and answer 204."""
        return await self.accept(self.split(items, body, shape), topic, reception)

    async def accept(self, taken: Taken, topic: Topic, reception: Reception) -> Response:
        """Publish what was taken to `topic`, set the rest aside in dead-letters, and answer 204."""
        await self.publish({topic: taken.records}, taken.refusals, topic, reception)
        return Response(status_code=204, headers=_set_aside(len(taken.refusals)))

    async def publish(
        self, records: Mapping[Topic, list[Record]], refusals: Sequence[Refusal], topic: Topic, reception: Reception
    ) -> None:
        """Publish `records`, and set aside what was meant for `topic` and refused."""
        wanted = {name: found for name, found in records.items() if found}
        if refusals:
            wanted[DEAD_LETTERS] = dead_letters(
                refusals,
                topic=topic,
                workspace=reception.workspace,
                clock=self.clock,
                event_bytes_max=self.settings.event_bytes_max,
            )
        await self.publisher.publish(wanted)
        for refusal in refusals:
            GATEWAY_EVENTS_REFUSED.labels(refusal.fault.field or "item").inc()

    async def store(self, topic: Topic, record: Record) -> None:
        """Publish one record; raises TooLarge where it exceeds our limit."""
        await self.publisher.publish({topic: [bounded(record, self.settings.event_bytes_max)]})


def id_in_path(request: Request) -> UUID:
    """Return the id that stands in the URL; raises Malformed where it is none."""
    text = request.path_params["id"]
    try:
        return UUID(text)
    except ValueError as error:
        raise Malformed(f"id in the path must be a UUID, not {text[:64]!r}", field="id") from error


def _set_aside(count: int) -> dict[str, str] | None:
    return {SET_ASIDE_HEADER: str(count)} if count else None
