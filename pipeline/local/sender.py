"""Send a schedule to a gateway over HTTP, as a well-behaved SDK would.

What is due is gathered into batches and sent by a bounded number of concurrent requests. Overload (429), failures of
the server and lost connections are waited out; whatever else is not a success is a refusal: counted, kept with its
reason, and never sent again. An event sent twice because an answer was lost is harmless: ids make it the same event.
"""

import asyncio
import gzip
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import aiohttp
import orjson

from pipeline.adapters.clock import Clock
from pipeline.errors import TransientError
from pipeline.local.bodies import Kind, Route
from pipeline.local.schedule import Send

GZIP_BYTES_MIN: Final = 256
"""The Python SDK compresses bodies from this size on."""
GZIP_LEVEL: Final = 6
REFUSALS_KEPT_MAX: Final = 20
REASON_CHARACTERS_MAX: Final = 500
_DUE: Final = attrgetter("at_seconds")
_LOST: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


@dataclass(frozen=True, slots=True)
class SendLimits:
    """Bounds of one sender."""

    requests_in_flight_max: int = 8
    commands_in_flight_max: int = 8
    """Scores of threads wait for the stream's decision; they must not hold up the traces that it decides on."""
    batch_items_max: int = 1000
    gather_seconds: float = 0.1
    """How long what is due waits for company; a batch of one thousand costs little more than one of one."""
    patience_seconds: float = 60.0
    """How long one request is tried before the run is given up."""
    request_timeout_seconds: float = 30.0
    backoff_min_seconds: float = 0.1
    backoff_max_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that the gateway will never take."""

    route: Route
    status: int
    events: int
    reason: str


@dataclass(slots=True)
class Delivery:
    """What became of a schedule so far; an event is one item of a batch, one PATCH or one score."""

    total: int
    accepted: Counter[Kind] = field(default_factory=Counter)
    refused: Counter[Kind] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    """The first twenty, with their reasons."""
    retries: Counter[str] = field(default_factory=Counter)
    """Requests sent again, by what went wrong: `429`, `503`, `connection`."""
    activity_delay_max_seconds: float = 0.0
    """How long after its time the latest activity of a thread was accepted."""

    @property
    def done(self) -> int:
        """Events that the gateway has answered for good."""
        return self.accepted.total() + self.refused.total()


Progress = Callable[[Delivery], None]


@dataclass(frozen=True, slots=True)
class _Request:
    route: Route
    sends: Sequence[Send]

    @property
    def path(self) -> str:
        return self.route.path.format(id=self.sends[0].trace_id)

    @property
    def first_activity_seconds(self) -> float | None:
        times = [send.at_seconds for send in self.sends if send.route.kind == "trace" and "thread_id" in send.body]
        return min(times, default=None)

    def body(self) -> bytes:
        member = self.route.batch_member
        return orjson.dumps(self.sends[0].body if member is None else {member: [send.body for send in self.sends]})


class Sender:
    """Sends schedules to the gateway at `base_url` (with or without a path) in one workspace.

    `on_progress` is called in the event loop after each answer and before each repetition.
    """

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        limits: SendLimits = SendLimits(),
        *,
        workspace: str = "default",
        api_key: str | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._limits = limits
        self._headers = {"Content-Type": "application/json", "Comet-Workspace": workspace}
        if api_key is not None:
            self._headers["Authorization"] = api_key
        self._on_progress = on_progress

    async def send(self, schedule: Sequence[Send]) -> Delivery:
        """Send all of `schedule` (in the order of time), each event at its time from now, and say what became of it.

        Raises TransientError where a request is not answered for good within the sender's patience.
        """
        delivery = Delivery(len(schedule))
        limits = self._limits
        connector = aiohttp.TCPConnector(limit=limits.requests_in_flight_max + limits.commands_in_flight_max)
        timeout = aiohttp.ClientTimeout(total=self._limits.request_timeout_seconds)
        async with aiohttp.ClientSession(headers=self._headers, connector=connector, timeout=timeout) as session:
            run = _Run(self._base_url, self._clock, self._limits, session, delivery, self._on_progress)
            try:
                await run.send(schedule)
            except ExceptionGroup as failures:
                # The first failure cancelled the other requests, and is why the run ends.
                raise failures.exceptions[0] from failures
        return delivery


@dataclass(slots=True)
class _Run:
    """One schedule on its way."""

    base_url: str
    clock: Clock
    limits: SendLimits
    session: aiohttp.ClientSession
    delivery: Delivery
    on_progress: Progress | None
    begun_at: float = 0.0

    async def send(self, schedule: Sequence[Send]) -> None:
        slots = asyncio.Semaphore(self.limits.requests_in_flight_max)
        commands = asyncio.Semaphore(self.limits.commands_in_flight_max)
        self.begun_at = self.clock.monotonic()
        position = 0
        async with asyncio.TaskGroup() as requests:
            while position < len(schedule):
                gathered_at = schedule[position].at_seconds + self.limits.gather_seconds
                await asyncio.sleep(max(0.0, gathered_at - self._elapsed_seconds()))
                # A timer may fire a moment early; if nothing is due yet, the next round waits for the rest.
                due = bisect_right(schedule, self._elapsed_seconds(), lo=position, key=_DUE)
                for request in _batches(schedule[position:due], self.limits.batch_items_max):
                    if request.route is Route.THREAD_SCORES:
                        requests.create_task(self._deliver_in_turn(request, commands))
                        continue
                    await slots.acquire()
                    requests.create_task(self._deliver(request)).add_done_callback(lambda _: slots.release())
                position = due

    async def _deliver_in_turn(self, request: _Request, turns: asyncio.Semaphore) -> None:
        async with turns:
            await self._deliver(request)

    def _elapsed_seconds(self) -> float:
        return self.clock.monotonic() - self.begun_at

    async def _deliver(self, request: _Request) -> None:
        body, headers = _encoded(request.body())
        gives_up_at = self._elapsed_seconds() + self.limits.patience_seconds
        backoff_seconds = self.limits.backoff_min_seconds
        while True:
            wait_seconds = None
            try:
                url = f"{self.base_url}/{request.path}"
                async with self.session.request(request.route.method, url, data=body, headers=headers) as response:
                    reason = await response.text(errors="replace")
                    if not _is_transient(response.status):
                        self._settle(request, response.status, reason)
                        return
                    failure, wait_seconds = str(response.status), told_wait_seconds(response.headers)
            except _LOST as lost:
                failure, reason = "connection", str(lost)
            if wait_seconds is None:
                wait_seconds = backoff_seconds
                backoff_seconds = min(2 * backoff_seconds, self.limits.backoff_max_seconds)
            if self._elapsed_seconds() + wait_seconds > gives_up_at:
                raise TransientError(
                    f"{request.route.method} {request.path} was not taken within {self.limits.patience_seconds:g} s: "
                    f"{failure} {reason[:REASON_CHARACTERS_MAX]}"
                )
            self.delivery.retries[failure] += 1
            self._report()
            await asyncio.sleep(wait_seconds)

    def _settle(self, request: _Request, status: int, reason: str) -> None:
        route, delivery = request.route, self.delivery
        if status < 300:  # noqa: PLR2004 - any 2xx is a success
            delivery.accepted[route.kind] += len(request.sends)
            if (first_activity := request.first_activity_seconds) is not None:
                delay_seconds = self._elapsed_seconds() - first_activity
                delivery.activity_delay_max_seconds = max(delivery.activity_delay_max_seconds, delay_seconds)
        else:
            delivery.refused[route.kind] += len(request.sends)
            if len(delivery.refusals) < REFUSALS_KEPT_MAX:
                refusal = Refusal(route, status, len(request.sends), reason[:REASON_CHARACTERS_MAX])
                delivery.refusals.append(refusal)
        self._report()

    def _report(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.delivery)


def told_wait_seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long the server asks to wait: `Retry-After`, else `RateLimit-Reset`, in whole seconds; else None.

    A date, which HTTP allows in Retry-After, is not what this gateway sends, and counts as nothing said.
    """
    for name in ("Retry-After", "RateLimit-Reset"):
        if (text := headers.get(name, "").strip()).isdecimal():
            return float(text)
    return None


def _batches(due: Sequence[Send], items_max: int) -> Iterator[_Request]:
    """Group what is due by where it goes, in the order of time within each route."""
    for route in Route:
        sends = [send for send in due if send.route is route]
        size = 1 if route.batch_member is None else items_max
        for first in range(0, len(sends), size):
            yield _Request(route, sends[first : first + size])


def _encoded(body: bytes) -> tuple[bytes, dict[str, str]]:
    if len(body) < GZIP_BYTES_MIN:
        return body, {}
    return gzip.compress(body, GZIP_LEVEL), {"Content-Encoding": "gzip"}


def _is_transient(status: int) -> bool:
    return status in {408, 429} or status >= 500  # noqa: PLR2004 - any 5xx
