"""The gateway put together: what `threadline serve` starts, mounts and stops."""

from typing import Final, Protocol

from starlette.routing import Route

from pipeline.adapters.clock import Clock
from pipeline.adapters.web.budget import ByteBudget
from pipeline.gateway.commands import Commands, Replies
from pipeline.gateway.enforcement import enforcement_of
from pipeline.gateway.intake import Intake
from pipeline.gateway.lookup import Lookup, Storage
from pipeline.gateway.opik.annotations import Comments, Tags
from pipeline.gateway.opik.projects import Projects
from pipeline.gateway.opik.scores import Scores
from pipeline.gateway.opik.spans import Spans
from pipeline.gateway.opik.threads import Threads
from pipeline.gateway.opik.traces import Traces
from pipeline.gateway.opik.workspaces import Workspaces
from pipeline.gateway.otlp.export import Export
from pipeline.gateway.prices import PRICES
from pipeline.gateway.publish import Producer, Publisher
from pipeline.gateway.routes import other_routes, otlp_routes, rule_routes, span_routes, thread_routes, trace_routes
from pipeline.gateway.rules import Rules, RuleStore
from pipeline.settings import GatewaySettings


class RunningProducer(Producer, Protocol):
    """A producer that is started and stopped with the gateway."""

    async def start(self) -> None:
        """Connect; raises BrokerUnavailable."""

    async def stop(self) -> None:
        """Send what is gathered, then disconnect."""


class Gateway:
    """The write side of the HTTP process.

    `storage` tells which threads and comments there are; without it no thread is ever unknown, and no comment can be
    changed. `rules` keeps the rules of online evaluation; without it there are no routes for them. Raises
    InvalidSettings where the policy file is none.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        producer: RunningProducer,
        replies: Replies,
        storage: Storage | None = None,
        rules: RuleStore | None = None,
    ) -> None:
        self._producer: Final = producer
        self._replies: Final = replies
        self._rules: Final = rules
        self.budget: Final = ByteBudget(
            settings.in_flight_bytes_max,
            retry_after_seconds=settings.retry_after_seconds,
            share_max=settings.workspace_share_max,
        )
        """The bytes that requests and unconfirmed records hold; the query side may read bodies against it too."""
        self._publisher: Final = Publisher(settings, producer, self.budget, enforcement_of(settings, clock))
        intake = Intake(settings, clock, self._publisher, self.budget)
        commands = Commands(settings, clock, self._publisher, replies)
        lookup = Lookup(storage, seconds_max=settings.lookup_seconds_max)
        self._routes: Final = [
            *thread_routes(Threads(intake, commands, lookup), Tags(intake, lookup), Comments(intake, lookup, "thread")),
            *trace_routes(Traces(intake), Scores(intake, "trace"), Comments(intake, lookup, "trace")),
            *span_routes(Spans(intake), Scores(intake, "span"), Comments(intake, lookup, "span")),
            *([] if rules is None else rule_routes(Rules(intake, rules))),
            *otlp_routes(Export(intake)),
            *other_routes(Workspaces(intake), Projects(intake)),
        ]

    def routes(self) -> list[Route]:
        """Return the routes of the write side, in order of precedence."""
        return self._routes

    async def start(self) -> None:
        """Connect to Kafka; raises BrokerUnavailable where it does not answer."""
        PRICES.load()
        await self._producer.start()
        await self._replies.start()
        if self._rules is not None:
            await self._rules.start()

    async def stop(self) -> None:
        """Wait until Kafka has what is on its way, then disconnect; call it after the last request was answered."""
        await self._publisher.drain()
        if self._rules is not None:
            await self._rules.stop()
        await self._replies.stop()
        await self._producer.stop()
