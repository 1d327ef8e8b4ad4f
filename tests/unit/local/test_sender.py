import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from pipeline.adapters.clock import SystemClock
from pipeline.errors import TransientError
from pipeline.local.bodies import Route
from pipeline.local.schedule import Send
from pipeline.local.sender import Delivery, Sender, SendLimits, told_wait_seconds

FAST = SendLimits(gather_seconds=0.05, patience_seconds=5.0, backoff_min_seconds=0.01, backoff_max_seconds=0.05)


class Request(NamedTuple):
    method: str
    path: str
    compressed: bool
    body: dict[str, Any]
    headers: dict[str, str]


class Gateway:
    """A real HTTP server that keeps what it accepts and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.arrived_at: list[float] = []
        self.answers: list[web.Response] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.hold: Callable[[], Awaitable[object]] | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.arrived_at.append(SystemClock().monotonic())
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            compressed = request.headers.get("Content-Encoding") == "gzip"
            body = orjson.loads(await request.read())
            self.requests.append(Request(request.method, request.path, compressed, body, dict(request.headers)))
            if self.hold is not None:
                await self.hold()
            return self.answers.pop(0) if self.answers else web.Response(status=204)
        finally:
            self.in_flight -= 1

    @asynccontextmanager
    async def running(self, port: int | None = None) -> Any:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.answer)
        server = TestServer(app, host="127.0.0.1", port=port)
        await server.start_server()
        try:
            yield str(server.make_url("/api/"))
        finally:
            await server.close()


def trace(number: int, at_seconds: float = 0.0, *, thread_id: str | None = "t") -> Send:
    body = {"id": f"trace-{number}", "input": "question"}
    return Send(at_seconds, Route.TRACES, body if thread_id is None else {**body, "thread_id": thread_id})


async def deliver(url: str, schedule: Sequence[Send], limits: SendLimits = FAST) -> Delivery:
    return await Sender(url, SystemClock(), limits).send(schedule)


async def test_events_due_together_go_in_one_batch_for_each_route_and_are_counted_by_kind() -> None:
    gateway = Gateway()
    schedule = [
        trace(1),
        Send(0.0, Route.SPANS, {"id": "span-1"}),
        Send(0.0, Route.TRACE_PATCH, {"thread_id": "t"}, "trace-3"),
        trace(2, 0.01),
        Send(0.01, Route.THREAD_SCORES, {"thread_id": "t", "name": "witty", "value": 5.0}),
        Send(0.01, Route.TRACE_SCORES, {"id": "trace-1", "name": "witty", "value": 5.0}),
    ]
    async with gateway.running() as url:
        delivery = await deliver(url, schedule)
    assert {(found.method, found.path): found.body for found in gateway.requests} == {
        ("POST", "/api/v1/private/traces/batch"): {"traces": [schedule[0].body, schedule[3].body]},
        ("POST", "/api/v1/private/spans/batch"): {"spans": [{"id": "span-1"}]},
        ("PATCH", "/api/v1/private/traces/trace-3"): {"thread_id": "t"},
        ("PUT", "/api/v1/private/traces/threads/feedback-scores"): {"scores": [schedule[4].body]},
        ("PUT", "/api/v1/private/traces/feedback-scores"): {"scores": [schedule[5].body]},
    }
    assert delivery.accepted == {"trace": 3, "span": 1, "score": 2}
    assert delivery.done == delivery.total == 6
    assert not delivery.refused
    assert not delivery.retries


async def test_a_batch_holds_no_more_than_its_bound_and_no_event_is_sent_twice() -> None:
    gateway = Gateway()
    async with gateway.running() as url:
        delivery = await deliver(url, [trace(number) for number in range(25)], SendLimits(batch_items_max=10))
    sizes = [len(found.body["traces"]) for found in gateway.requests]
    assert sorted(sizes) == [5, 10, 10]
    sent = Counter(item["id"] for found in gateway.requests for item in found.body["traces"])
    assert sent == {f"trace-{number}": 1 for number in range(25)}
    assert delivery.accepted == {"trace": 25}


async def test_bodies_are_compressed_from_256_bytes_on() -> None:
    gateway = Gateway()
    frame_bytes = len(orjson.dumps({"thread_id": ""}))
    schedule = [
        Send(0.0, Route.TRACE_PATCH, {"thread_id": "x" * (255 - frame_bytes)}, "small"),
        Send(0.0, Route.TRACE_PATCH, {"thread_id": "x" * (256 - frame_bytes)}, "large"),
    ]
    async with gateway.running() as url:
        await deliver(url, schedule)
    assert {found.path.rsplit("/", 1)[1]: found.compressed for found in gateway.requests} == {
        "small": False,
        "large": True,
    }
    assert all(found.headers["Comet-Workspace"] == "default" for found in gateway.requests)


async def test_nothing_is_sent_before_its_time() -> None:
    gateway, begun_at = Gateway(), SystemClock().monotonic()
    async with gateway.running() as url:
        delivery = await deliver(url, [trace(1), trace(2, 0.4)])
    first, second = (arrived_at - begun_at for arrived_at in gateway.arrived_at)
    assert first < second
    assert second >= 0.4
    assert delivery.activity_delay_max_seconds >= FAST.gather_seconds - 0.01


async def test_overload_is_waited_out_as_long_as_the_gateway_says() -> None:
    gateway = Gateway()
    gateway.answers = [web.Response(status=429, headers={"Retry-After": "1", "RateLimit-Reset": "1"})]
    async with gateway.running() as url:
        delivery = await deliver(url, [trace(1)])
    assert delivery.accepted == {"trace": 1}
    assert delivery.retries == {"429": 1}
    assert gateway.arrived_at[1] - gateway.arrived_at[0] >= 1.0
    assert delivery.activity_delay_max_seconds >= 1.0, "the run must know that it sent an activity late"


async def test_a_failing_server_is_tried_again_until_patience_ends() -> None:
    gateway = Gateway()
    gateway.answers = [web.Response(status=503, text="away") for _ in range(1000)]
    async with gateway.running() as url:
        with pytest.raises(TransientError, match="503 away"):
            await deliver(url, [trace(1)], SendLimits(patience_seconds=1.5, backoff_min_seconds=0.01))
    assert len(gateway.requests) > 2


async def test_a_gateway_that_is_not_up_yet_is_waited_for() -> None:
    gateway, port, refused = Gateway(), unused_port(), asyncio.Event()

    def note(delivery: Delivery) -> None:
        if delivery.retries["connection"]:
            refused.set()

    sender = Sender(f"http://127.0.0.1:{port}/api", SystemClock(), FAST, on_progress=note)
    sending = asyncio.create_task(sender.send([trace(1), trace(2)]))
    await asyncio.wait_for(refused.wait(), 120)
    assert not gateway.requests
    async with gateway.running(port):
        delivery = await asyncio.wait_for(sending, 120)
    assert delivery.accepted == {"trace": 2}
    assert delivery.retries["connection"] >= 1


async def test_a_gateway_that_never_comes_ends_the_run() -> None:
    with pytest.raises(TransientError, match="connection"):
        await deliver(f"http://127.0.0.1:{unused_port()}", [trace(1)], SendLimits(patience_seconds=0.2))


async def test_a_refusal_is_counted_with_its_reason_and_not_repeated() -> None:
    gateway = Gateway()
    gateway.answers = [web.Response(status=409, text="Threads must be closed before scoring.")]
    async with gateway.running() as url:
        delivery = await deliver(url, [Send(0.0, Route.THREAD_SCORES, {"thread_id": "t"})] * 2)
    assert len(gateway.requests) == 1
    assert delivery.refused == {"score": 2}
    assert not delivery.accepted
    assert delivery.done == 2
    assert [(found.status, found.events, found.reason) for found in delivery.refusals] == [
        (409, 2, "Threads must be closed before scoring.")
    ]


async def test_requests_in_flight_stay_within_their_bound() -> None:
    gateway, full = Gateway(), asyncio.Event()

    async def until_full() -> None:
        if gateway.in_flight == 3:
            full.set()
        await full.wait()

    gateway.hold = until_full
    patches = [Send(0.0, Route.TRACE_PATCH, {"thread_id": "t"}, f"trace-{number}") for number in range(12)]
    async with gateway.running() as url:
        delivery = await asyncio.wait_for(deliver(url, patches, SendLimits(requests_in_flight_max=3)), 120)
    assert gateway.in_flight_max == 3
    assert delivery.accepted == {"trace": 12}


async def test_progress_is_told_after_every_answer() -> None:
    gateway, told = Gateway(), []
    async with gateway.running() as url:
        sender = Sender(url, SystemClock(), FAST, on_progress=lambda delivery: told.append(delivery.done))
        await sender.send([trace(1), trace(2, 0.2), trace(3, 0.4)])
    assert told == [1, 2, 3]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2", "RateLimit-Reset": "7"}, 2.0),
        ({"RateLimit-Reset": "7"}, 7.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "RateLimit-Reset": "7"}, 7.0),
        ({"Retry-After": "1.5"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read_in_whole_seconds(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert told_wait_seconds(headers) == seconds
