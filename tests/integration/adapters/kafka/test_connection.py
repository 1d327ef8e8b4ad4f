"""TLS and SASL as production has them, on Apache Kafka itself."""

import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import read_to_end
from pipeline.errors import BrokerUnavailable
from pipeline.events.envelope import Record
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import SPANS
from tests.apache_kafka.broker import ApacheKafka
from tests.support.certificates import Certificates, make_certificates
from tests.support.command import RunningStage

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.apache_kafka]

USER = "threadline"
PASSWORD = "correct-horse-battery-staple"  # noqa: S105 - of a broker that lives for this test


class Guarded(NamedTuple):
    """A broker that asks who comes."""

    port: int
    certificates: Certificates
    password_file: Path

    def settings(self, **changed: Any) -> KafkaSettings:
        given = {
            "bootstrap": f"127.0.0.1:{self.port}", "partitions": 2, "request_timeout_ms": 10_000,
            "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": USER,
            "sasl_password_file": self.password_file, "tls_ca_file": self.certificates.authority,
        }  # fmt: skip
        return KafkaSettings(**(given | changed))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    certificates = make_certificates(folder / "certificates")
    password_file = folder / "password"
    password_file.write_text(PASSWORD + "\n")
    port = free_port()
    broker = ApacheKafka(
        folder / "broker",
        listeners={"SASL_SSL": port},
        scram_users=[f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"],
        settings={
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.both),
        },
    )  # fmt: skip
    await broker.start()
    yield Guarded(port, certificates, password_file)
    await broker.kill()


async def test_every_client_of_ours_gets_in(guarded: Guarded) -> None:
    kafka = guarded.settings()
    assert "spans" in await ensure_topics(kafka, SystemClock())
    async with EventProducer(kafka, client_id="test") as producer:
        await producer.publish(SPANS, [Record(b"key", b"value", ())])

    async with aclosing(read_to_end(kafka, SPANS)) as polls:
        found = [record.value async for _, records in polls for record in records]

    assert found == [b"value"]


async def test_the_worker_gets_in_with_the_clients_of_faust(guarded: Guarded) -> None:
    kafka = guarded.settings()
    await ensure_topics(kafka, SystemClock())
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "THREADLINE_OPERATION_PORT": "0",
        **{
            f"THREADLINE_KAFKA_{name.upper()}": str(getattr(kafka, name))
            for name in ("bootstrap", "partitions", "security_protocol", "sasl_mechanism", "sasl_username",
                         "sasl_password_file", "tls_ca_file")
        },
    }  # fmt: skip

    worker = await RunningStage.start(environment, "worker")

    assert await worker.drain() == 0


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"sasl_password_file": None, "sasl_password": "wrong"}, id="a wrong password"),
        pytest.param({"tls_ca_file": None}, id="an authority that nobody trusts"),
        pytest.param({"security_protocol": "SSL"}, id="no credentials"),
    ],
)
async def test_who_is_not_let_in_is_told_that_there_is_no_broker(guarded: Guarded, changed: dict[str, Any]) -> None:
    producer = EventProducer(guarded.settings(request_timeout_ms=2000, **changed), client_id="test")

    with pytest.raises(BrokerUnavailable):
        await producer.start()
