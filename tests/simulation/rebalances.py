"""Faust's and aiokafka's part in a worker, told as found in their source.

A rebalance stops the flow, commits, gives up all partitions and joins anew. What is assigned begins anew: the table's
hook is called, the changelog is read up to where it ended, the table's other hook is called, and input flows. A
rebalance that comes in between ends a recovery, but not a hook that has begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final, Protocol

from aiokafka.errors import IllegalStateError, KafkaError
from faust.tables.table import Table
from faust.types import TP

from pipeline.errors import BrokerUnavailable
from pipeline.stream import faust_internals
from pipeline.stream.bulk import Intake
from pipeline.stream.table import CHANGELOG, ThreadsTable
from pipeline.topics import TRACES
from tests.simulation.broker import Broker
from tests.simulation.client import NO_MEMBER, SimulatedClient, SimulatedConsumer
from tests.simulation.group import Assignment, Group
from tests.simulation.network import Connection

JOIN_SECONDS_MAX: Final = 30.0
TURNS_UNTIL_RECOVERY_HEARS: Final = 2
"""Between the table's hook and the end of the recovery before, Faust's table manager lets others have so many turns."""


class Tasks(Protocol):
    """Runs what belongs to a process; what fails ends the process."""

    def begin(self, body: Callable[..., Any], *arguments: Any) -> "asyncio.Task[None]": ...
    def call(self, function: Callable[..., Any], *arguments: Any) -> "asyncio.Task[Any]": ...
    def crash(self, error: BaseException) -> None: ...


class Around(Table):  # type: ignore[misc]
    """Takes the place of Faust's table below `ThreadsTable`."""

    async def on_rebalance(self, *_: Any) -> None:
        """Do nothing: Faust's own table is empty."""

    async def on_recovery_completed(self, *_: Any) -> None:
        """Do nothing: Faust's own table is empty."""


class SimulatedTable(ThreadsTable, Around):
    """The stage's hooks, called as Faust does."""

    def __init__(self, app: Any) -> None:
        self.app = app


class InOrder(set[TP]):
    """A set whose order does not differ from process to process."""

    def __iter__(self) -> Any:
        return iter(sorted(super().__iter__()))


class Rebalances:
    """From one assignment to the next, which `assignments` counts; `give_up` is called when partitions are revoked."""

    def __init__(
        self,
        tasks: Tasks,
        intake: Intake,
        broker: Broker,
        group: Group,
        connection: Connection,
        *,
        give_up: Callable[[], Awaitable[None]],
        records_max: int,
        handing_seconds: float,
    ) -> None:
        self._tasks: Final = tasks
        self._intake: Final = intake
        self._group: Final = group
        self._connection: Final = connection
        self._give_up: Final = give_up
        self._name: Final = connection.process.name
        self._recovery: asyncio.Task[None] | None = None
        self._fetcher: asyncio.Task[None] | None = None
        self._behind: dict[TP, int] = {}
        self._caught_up = asyncio.Event()
        self._committing: asyncio.Future[None] | None = None
        self._app: Final = self._stand_in_app()
        self._client: Final = SimulatedClient(broker, group, connection)
        self.consumer: Final = SimulatedConsumer(
            self._app,
            self._client,
            broker,
            call=tasks.call,
            records_max=records_max,
            handing_seconds=handing_seconds,
        )
        self._app.consumer = self.consumer
        self.table: Final = SimulatedTable(self._app)
        self.assignments = 0

    async def coordinate(self) -> None:
        """Give up what is owned, join, take what is given; again when the group asks for it."""
        while True:
            await self._client.ensure_coordinator_known()
            if self._client.positions:
                self.consumer.stop_flow()
                self.consumer.pause(TP(*place) for place in self._client.positions)
                await self.commit()
            await self._give_up()
            try:
                given = await self._connection.ask(
                    "join", "", lambda _: self._group.join(self._name), seconds_max=JOIN_SECONDS_MAX
                )
            except (BrokerUnavailable, KafkaError):
                continue
            self._client.must_join.clear()
            await self._take(given)
            await self._client.must_join.wait()

    async def beat(self, interval_seconds: float) -> None:
        """Let the group know that this member is there, and hear whether it must join anew."""
        while True:
            await asyncio.sleep(interval_seconds)
            generation = self._client.generation
            if generation == NO_MEMBER or self._client.must_join.is_set():
                continue
            try:
                answer = await self._connection.ask("heartbeat", "", self._heartbeat_of(generation))
            except (BrokerUnavailable, KafkaError):
                continue
            if generation != self._client.generation:
                continue
            if answer == "unknown":
                self._client.reset_generation()
            elif answer == "join":
                self._client.must_join.set()

    async def commit_each(self, interval_seconds: float) -> None:
        """Commit for ever."""
        while True:
            await asyncio.sleep(interval_seconds)
            await self.commit()

    async def commit(self) -> None:
        """Commit; whoever asks while that is under way only waits for it."""
        if self._committing is not None:
            await self._committing
            return
        done = self._committing = asyncio.get_running_loop().create_future()
        try:
            await self._intake.commit()
        finally:
            self._committing = None
            done.set_result(None)

    async def commit_offsets(self, offsets: Mapping[int, tuple[int, str]]) -> bool:
        """Commit offsets of the input."""
        places = {TP(TRACES.name, number): entry for number, entry in offsets.items()}
        return await faust_internals.commit(self.consumer, places)

    async def stop(self) -> None:
        """Do what Faust does with its consumer when the app stops; until the last step a recovery goes on."""
        self._app.should_stop = True
        if self._client.positions:
            self.consumer.stop_flow()
            self.consumer.pause(TP(*place) for place in self._client.positions)
            if self._fetcher is not None:
                self._fetcher.cancel()
            await self.commit()
        if self._recovery is not None:
            self._recovery.cancel()
        await self.commit()

    async def leave(self) -> None:
        """Leave the group."""
        await self._connection.ask("leave", "", lambda _: self._group.leave(self._name))

    def _start_fetcher(self) -> None:
        """Read for ever, unless that is under way."""
        if self._fetcher is None or self._fetcher.done():
            self._fetcher = self._tasks.begin(self.consumer._drain_messages, SimpleNamespace(should_stop=False))

    async def _take(self, given: Assignment) -> None:
        inputs = [TP(TRACES.name, number) for number in given.numbers]
        changelogs = [TP(CHANGELOG.name, number) for number in given.numbers]
        self._connection.network.note(self._name, "is given", repr(given))
        self.assignments += 1
        self._app.consumer_generation_id = given.generation
        self.consumer.assign([*inputs, *changelogs], given.generation)
        assigned = InOrder([*inputs, *changelogs])
        await self.table.on_rebalance(assigned, set(), assigned, given.generation)
        for _ in range(TURNS_UNTIL_RECOVERY_HEARS):
            await asyncio.sleep(0)
        if given.generation == self._app.consumer_generation_id:
            if self._recovery is not None:
                self._recovery.cancel()
            self._recovery = self._tasks.begin(self._recover_unless_lost, inputs, changelogs, given.generation)

    async def _recover_unless_lost(self, inputs: list[TP], changelogs: list[TP], generation: int) -> None:
        """Recover; Faust leaves it to the next recovery where partitions are not assigned any more."""
        with suppress(IllegalStateError):
            await self._read_changelogs(changelogs)
            hook = self._tasks.begin(self.table.on_recovery_completed, InOrder(changelogs), set())
            await asyncio.wait([hook])
            if self._app.consumer_generation_id == generation:
                await self._let_input_flow(inputs)

    async def _read_changelogs(self, changelogs: list[TP]) -> None:
        app, consumer = self._app, self.consumer
        app.in_recovery = True
        ends = await consumer.highwaters(*changelogs)
        for place in changelogs:
            await consumer.seek(place, 0)
        self._behind = {place: end for place, end in ends.items() if end > 0}
        app.tables.recovery.active_tps = tuple(self._behind)
        self._caught_up = asyncio.Event()
        if self._behind:
            consumer.resume(changelogs)
            consumer.resume_flow()
            self._start_fetcher()
            await self._caught_up.wait()
            consumer.pause(changelogs)
        else:
            consumer.resume_flow()
        app.in_recovery = False

    async def _let_input_flow(self, inputs: list[TP]) -> None:
        self.consumer.resume(inputs)
        await self.consumer.perform_seek()
        self.consumer.resume_flow()
        self._start_fetcher()

    def _note_progress(self, progress: Any) -> None:
        """Take what the consumer reports of recovery."""
        place = progress.message
        if place.tp in self._behind and place.offset + 1 >= self._behind[place.tp]:
            del self._behind[place.tp]
        if not self._behind:
            self._caught_up.set()

    def _heartbeat_of(self, generation: int) -> Callable[[object], str]:
        return lambda _: self._group.heartbeat(self._name, generation)

    def _stand_in_app(self) -> Any:
        async def crash(error: BaseException) -> None:
            self._tasks.crash(error)

        return SimpleNamespace(
            intake=self._intake,
            in_recovery=False,
            should_stop=False,
            consumer_generation_id=-1,
            tables=SimpleNamespace(
                recovery=SimpleNamespace(active_tps=()),
                changelog_queue=SimpleNamespace(force_put_nowait=self._note_progress),
            ),
            crash=crash,
        )
