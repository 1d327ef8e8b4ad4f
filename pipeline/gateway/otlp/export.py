"""The route that takes traces by OTLP/HTTP, and its answers, in the encoding of the request.

A request is taken as a whole or not at all, but for spans that cannot be used: they go to dead-letters, and the answer
counts them (OTLP 1.x, "Partial Success"). Overload is 503 with `Retry-After`: every exporter comes back after that,
while the older ones of Python drop their batch on 429.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from pipeline.adapters.web.failures import answer_json
from pipeline.errors import BrokerUnavailable, Overloaded, Refused, TooLarge
from pipeline.events.envelope import Record
from pipeline.gateway.intake import Intake
from pipeline.gateway.json_text import normalised
from pipeline.gateway.opik.batch import Refusal, Room, bounded
from pipeline.gateway.otlp import json_form, protobuf_form
from pipeline.gateway.otlp.spans import Reading, Understood
from pipeline.gateway.otlp.telemetry import Incoming
from pipeline.gateway.otlp.traces import trace_events
from pipeline.topics import SPANS, TRACES, Topic

PROJECT_HEADER: Final = "projectName"
"""The header in which Opik's users name the project of an exporter."""
SPANS_AT_ONCE: Final = 100
"""Spans shaped between two looks at other requests: some 10 ms."""
SPANS_MAX: Final = 20_000
"""Most spans in one request; the exporters' own default is 512, the collector's 8,192."""
REASON_CHARACTERS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """An encoding of OTLP/HTTP."""

    media_type: str
    incoming: Callable[[bytes], Iterator[Incoming]]
    answer: Callable[[int, str], bytes]
    failure: Callable[[str], bytes]

    def response(self, content: bytes, status: int = HTTPStatus.OK, retry_after_seconds: int | None = None) -> Response:
        """Return an answer in this encoding."""
        headers = None if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        return Response(content, status, headers, self.media_type)


_FORMS: Final = {
    protobuf_form.MEDIA_TYPE: Form(
        protobuf_form.MEDIA_TYPE, protobuf_form.incoming, protobuf_form.answer, protobuf_form.failure
    ),
    json_form.MEDIA_TYPE: Form(
        json_form.MEDIA_TYPE,
        lambda body: json_form.incoming(normalised(body)),
        json_form.answer,
        json_form.failure,
    ),
}


class Export:
    """The route that takes traces."""

    def __init__(self, intake: Intake) -> None:
        self._intake: Final = intake

    async def traces(self, request: Request) -> Response:
        """POST v1/traces, by any exporter of OTLP/HTTP."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        form = _FORMS.get(media_type)
        if form is None:
            reason = f"Content-Type must be {' or '.join(_FORMS)}, not {media_type[:100]!r}"
            return answer_json({"message": reason}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            return await self._taken(request, form)
        except Refused as error:
            return form.response(form.failure(error.reason), error.status)
        except (Overloaded, BrokerUnavailable) as error:
            seconds = (
                error.retry_after_seconds
                if isinstance(error, Overloaded)
                else self._intake.settings.retry_after_seconds
            )
            return form.response(form.failure(str(error)), HTTPStatus.SERVICE_UNAVAILABLE, seconds)

    async def _taken(self, request: Request, form: Form) -> Response:
        async with self._intake.receive(request) as (body, reception):
            reading = Reading(reception, _project_name(request))
            understood, refusals = await self._shaped(form.incoming(body), reading)
            rejected = len(refusals)
            records: dict[Topic, list[Record]] = {
                TRACES: [event.record() for event in trace_events(span for span, _ in understood)],
                SPANS: [record for _, record in understood],
            }
            await self._intake.publish(records, refusals, SPANS, reception)
        reason = "; ".join(dict.fromkeys(refusal.fault.reason for refusal in refusals))[:REASON_CHARACTERS_MAX]
        return form.response(form.answer(rejected, reason))

    async def _shaped(
        self, spans: Iterator[Incoming], reading: Reading
    ) -> tuple[list[tuple[Understood, Record]], list[Refusal]]:
        """Return the spans that can be used with their records, and those that cannot; raises TooLarge for too much."""
        understood: list[tuple[Understood, Record]] = []
        refusals: list[Refusal] = []
        room = Room(self._intake.limits.records_bytes_max)
        for number, incoming in enumerate(spans, 1):
            if number > SPANS_MAX:
                raise TooLarge(f"the request has more than {SPANS_MAX:,} spans", field="body")
            try:
                span = reading.understood(incoming)
                record = bounded(span.event.record(), self._intake.settings.event_bytes_max)
            except Refused as fault:
                refusals.append(Refusal(incoming.alone(), fault))
                room.take(refusals[-1].item)
            else:
                room.take(record.value)
                understood.append((span, record))
            if not number % SPANS_AT_ONCE:
                await asyncio.sleep(0)
        return understood, refusals


def _project_name(request: Request) -> str | None:
    given = request.headers.get(PROJECT_HEADER)
    return None if given is None else given.encode("latin-1").decode(errors="replace")
