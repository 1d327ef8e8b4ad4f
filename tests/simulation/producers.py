"""What stands in for the two producers of a worker; their promises are those of the real ones."""

from collections.abc import Callable, Sequence
from typing import Final

from pipeline.errors import BrokerUnavailable, Fenced
from pipeline.events.envelope import Record
from pipeline.stream.fence import TransactionalFence
from pipeline.topics import Topic
from tests.simulation.broker import Broker, Outdated
from tests.simulation.network import Connection, Fate


class SimulatedProducer:
    """Stands in for `EventProducer`: what is not confirmed may be there, wholly, in part or not at all."""

    def __init__(self, broker: Broker, connection: Connection, writer: Callable[[], str]) -> None:
        self._broker: Final = broker
        self._connection: Final = connection
        self._writer: Final = writer

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        if not records:
            return
        writer = self._writer()

        def append(fate: Fate) -> None:
            is_whole = fate.outcome != "done in part, not confirmed"
            self._broker.produce(topic, records[: None if is_whole else len(records) // 2], writer=writer)
            if fate.outcome == "done twice":
                self._broker.produce(topic, records, writer=writer, is_copy=True)

        await self._connection.ask("publish", f"{len(records)} to {topic.name}", append)


class SimulatedFencedProducer:
    """Stands in for `FencedProducer`: all or none, and refused where the id was taken by another."""

    def __init__(self, broker: Broker, connection: Connection, number: int) -> None:
        self._broker: Final = broker
        self._connection: Final = connection
        self._number: Final = number
        self._epoch = 0

    async def start(self) -> None:
        def take(_: Fate) -> int:
            return self._broker.take(self._number)

        self._epoch = await self._connection.ask("take id", str(self._number), take)

    async def stop(self) -> None:
        """Do nothing: what is unfinished stays so until the id is taken anew."""

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        if not records:
            return

        def append(_: Fate) -> None:
            self._broker.produce_in_transaction(self._number, self._epoch, topic, records)

        def commit(_: Fate) -> None:
            self._broker.commit_transaction(self._number, self._epoch)

        about = f"{len(records)} of {self._number}"
        try:
            await self._connection.ask("publish state", about, append)
            await self._connection.ask("end transaction", about, commit)
        except Outdated:
            raise Fenced(f"partition {self._number} was taken by another process") from None
        except BrokerUnavailable:
            self._epoch = -1  # after any error it is of no use any more
            raise


class SimulatedFence(TransactionalFence):
    """The real fence, with producers that stand in."""

    def __init__(self, broker: Broker, connection: Connection) -> None:
        self._producers = {}
        self._broker: Final = broker
        self._connection: Final = connection

    def _producer_of(self, number: int) -> SimulatedFencedProducer:  # type: ignore[override]
        return SimulatedFencedProducer(self._broker, self._connection, number)
