"""How the taking of an id is tried again; on a real broker: `tests/integration/stream/test_fence.py`."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError, TransactionalIdAuthorizationFailed, UnknownError

from pipeline.errors import BrokerUnavailable
from pipeline.settings import KafkaSettings
from pipeline.stream import fenced_producer
from pipeline.stream.fenced_producer import FencedProducer


class Clients:
    """Stands for the Kafka client's class: each client that is made meets the next answer of the broker."""

    def __init__(self, answers: Sequence[KafkaError | None]) -> None:
        self.answers = list(answers)
        self.made: list[Client] = []

    def __call__(self, **_: object) -> "Client":
        self.made.append(Client(self.answers[min(len(self.made), len(self.answers) - 1)]))
        return self.made[-1]

    @property
    def connected(self) -> list[bool]:
        return [client.is_connected for client in self.made]


class Client:
    def __init__(self, answer: KafkaError | None) -> None:
        self.answer = answer
        self.is_connected = False
        self._txn_manager = SimpleNamespace(wait_for_transaction_end=lambda: None)

    async def start(self) -> None:
        self.is_connected = True
        if self.answer is not None:
            raise self.answer

    async def stop(self) -> None:
        self.is_connected = False


def producer_that_meets(monkeypatch: pytest.MonkeyPatch, *answers: KafkaError | None) -> tuple[FencedProducer, Clients]:
    clients = Clients(answers)
    monkeypatch.setattr(fenced_producer, "AIOKafkaProducer", clients)
    monkeypatch.setattr(fenced_producer, "_PAUSE_SECONDS_MAX", 0.001)
    settings = KafkaSettings(request_timeout_ms=1000)
    return FencedProducer(settings, client_id="test", transactional_id="an-id"), clients


async def test_an_id_that_is_refused_for_a_moment_is_taken_by_a_new_client(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, clients = producer_that_meets(monkeypatch, UnknownError(), UnknownError(), None)
    await producer.start()
    assert clients.connected == [False, False, True]
    await producer.stop()
    assert clients.connected == [False, False, False]


async def test_an_id_that_would_never_be_given_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, clients = producer_that_meets(monkeypatch, TransactionalIdAuthorizationFailed("an-id"), None)
    with pytest.raises(BrokerUnavailable, match="AuthorizationFailed"):
        await producer.start()
    assert clients.connected == [False]


async def test_an_id_is_asked_for_no_longer_than_three_request_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, clients = producer_that_meets(monkeypatch, UnknownError())
    producer._seconds_max = 0.05  # type: ignore[misc]
    with pytest.raises(BrokerUnavailable, match="last refusal: UnknownError"):
        await producer.start()
    assert len(clients.made) > 2
    assert not any(clients.connected)
