"""What stands in for Faust's consumer and the Kafka client below it; `BulkConsumer`'s own code does the reading.

Only what the stage touches is here, under the names that Faust and aiokafka have for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, IllegalStateError, RequestTimedOutError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from pipeline.errors import BrokerUnavailable
from pipeline.stream.bulk import BulkConsumer
from pipeline.topics import TRACES
from tests.simulation.broker import Broker, Stored
from tests.simulation.group import Group
from tests.simulation.network import RETRY_SECONDS, Connection

LOOK_SECONDS: Final = 0.1
NO_MEMBER: Final = -1
"""The generation of a client that is not in the group."""


class SimulatedClient:
    """Stands in for `AIOKafkaConsumer` and its coordinator: positions of what is assigned, requests of the group."""

    def __init__(self, broker: Broker, group: Group, connection: Connection) -> None:
        self._broker: Final = broker
        self._group: Final = group
        self._connection: Final = connection
        self._coordinator: Final = self
        self._commit_lock: Final = asyncio.Lock()
        self._retry_backoff_ms: Final = RETRY_SECONDS * 1000
        self.generation = NO_MEMBER
        self.positions: dict[TopicPartition, int] = {}
        self.must_join: Final = asyncio.Event()

    def reset_generation(self) -> None:
        """Be no member any more, as aiokafka does where the group does not know it, or not in this generation."""
        self.generation = NO_MEMBER
        self.must_join.set()

    @property
    def _subscription(self) -> Any:
        def state_value(place: TopicPartition) -> Any:
            return SimpleNamespace(position=self.positions[place], has_valid_position=True)

        return SimpleNamespace(
            subscription=SimpleNamespace(assignment=SimpleNamespace(tps=self.positions.keys(), state_value=state_value))
        )

    async def fetch_committed_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        committed = await self._connection.ask("fetch offsets", "", lambda _: dict(self._broker.committed))
        return {place: OffsetAndMetadata(*committed.get(place.partition, (-1, ""))) for place in places}

    async def end_offsets(self, places: Collection[TP]) -> dict[TP, int]:
        def ends(_: object) -> dict[TP, int]:
            return {place: self._broker.log(*place).stable_end for place in places}

        found: dict[TP, int] = await self._connection.ask("end offsets", "", ends)
        return found

    async def ensure_coordinator_known(self) -> None:
        """Return once there is a broker."""
        await self._broker.is_there.wait()

    async def _do_commit_offsets(self, _: object, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Send a single request, which bears the generation of this moment; raises what aiokafka raises."""
        name, generation = self._connection.process.name, self.generation
        entries = {place.partition: (entry.offset, entry.metadata) for place, entry in offsets.items()}
        try:
            await self._connection.ask(
                "commit offsets",
                ", ".join(f"{number}: {offset}" for number, (offset, _) in entries.items()),
                lambda _: self._group.commit(name, generation, entries),
            )
        except BrokerUnavailable as error:
            raise RequestTimedOutError(str(error)) from error
        except (IllegalGenerationError, UnknownMemberIdError):
            if self.generation == generation:
                self.reset_generation()
            raise


class SimulatedConsumer:
    """Stands in for `faust.transport.drivers.aiokafka.Consumer` and its thread."""

    _drain_messages = BulkConsumer._drain_messages
    _drain_once = BulkConsumer._drain_once
    _note_restored = BulkConsumer._note_restored
    _report_progress = BulkConsumer._report_progress
    perform_seek = BulkConsumer.perform_seek

    should_stop = False
    consumer_stopped_errors = ()

    def __init__(
        self,
        app: Any,
        client: SimulatedClient,
        broker: Broker,
        *,
        call: Callable[..., "asyncio.Task[Any]"],
        records_max: int,
        handing_seconds: float,
    ) -> None:
        self.app: Final = app
        self.client: Final = client
        self._call: Final = call
        self._thread: Final = self
        self._broker: Final = broker
        self._records_max: Final = records_max
        self._handing_seconds: Final = handing_seconds
        self.flow_active = False
        self.can_resume_flow: Final = asyncio.Event()
        self._paused: set[TopicPartition] = set()

    def _ensure_consumer(self) -> SimulatedClient:
        return self.client

    async def call_thread(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Let the client's thread do something; it goes on with that also where nobody waits for it any more."""

        async def there() -> Any:
            await asyncio.sleep(self._handing_seconds)
            return await function(*args)

        return await asyncio.shield(self._call(there))

    async def highwaters(self, *places: TP) -> Mapping[TP, int]:
        """Return where each log ends for those who read what is committed."""
        found: Mapping[TP, int] = await self.call_thread(self.client.end_offsets, places)
        return found

    async def wait(self, event: asyncio.Event) -> None:
        await event.wait()

    def stop_flow(self) -> None:
        self.flow_active = False
        self.can_resume_flow.clear()

    def resume_flow(self) -> None:
        self.flow_active = True
        self.can_resume_flow.set()

    def assign(self, places: Iterable[TP], generation: int) -> None:
        """Begin anew at the committed offsets, or at the beginning; everything is paused as Faust does it."""
        self.client.generation = generation
        self.client.positions = {
            TopicPartition(*place): self._broker.committed.get(place.partition, (0, ""))[0]
            if place.topic == TRACES.name
            else 0
            for place in places
        }
        self._paused = set(self.client.positions)

    def pause(self, places: Iterable[TP]) -> None:
        self._paused |= {TopicPartition(*place) for place in places}

    def resume(self, places: Iterable[TP]) -> None:
        self._paused -= {TopicPartition(*place) for place in places}

    async def seek(self, place: TP, offset: int) -> None:
        await asyncio.sleep(self._handing_seconds)
        if TopicPartition(*place) not in self.client.positions:
            raise IllegalStateError("not assigned")
        self.client.positions[TopicPartition(*place)] = offset

    async def _wait_next_records(self, timeout: float) -> tuple[Mapping[TopicPartition, list[Stored]], None]:  # noqa: ASYNC109
        """Return what there is to read, as soon as there is something.

        Positions move in the client's thread; who is cancelled before the records have come from there loses them.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = {}
            for place, position in self.client.positions.items():
                if place not in self._paused and self._broker.is_there.is_set():
                    records, after = self._broker.log(*place).read(position, self._records_max)
                    self.client.positions[place] = after
                    if records:
                        found[place] = records
            if found or loop.time() >= until:
                await asyncio.sleep(self._handing_seconds)
                return found, None
