import os
import ssl
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.adapters.kafka.connection import connection_of
from pipeline.errors import InvalidSettings
from pipeline.settings import KafkaSettings
from tests.support.certificates import make_certificates

SASL = {"security_protocol": "SASL_SSL", "sasl_username": "threadline"}


def kafka_settings(**values: Any) -> KafkaSettings:
    with mock.patch.dict(os.environ, clear=True):
        return KafkaSettings(**values)


def test_by_default_nothing_is_encrypted_and_nobody_is_named() -> None:
    assert connection_of(kafka_settings(bootstrap="a:1,b:2")) == {
        "bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT", "ssl_context": None,
    }  # fmt: skip


def test_with_tls_the_broker_must_be_who_it_says_and_we_may_be_asked_too(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)

    context = connection_of(
        kafka_settings(
            security_protocol="SSL", tls_ca_file=made.authority, tls_certificate_file=made.certificate,
            tls_key_file=made.key,
        )
    )["ssl_context"]  # fmt: skip

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1


def test_a_password_of_a_file_wins_and_its_line_end_is_not_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(" with spaces \n")

    arguments = connection_of(kafka_settings(**SASL, sasl_password="other", sasl_password_file=path))  # noqa: S106

    assert arguments["sasl_plain_username"] == "threadline"
    assert arguments["sasl_plain_password"] == " with spaces "  # noqa: S105
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["ssl_context"] is not None


@pytest.mark.parametrize("client", [AIOKafkaProducer, AIOKafkaConsumer, AIOKafkaAdminClient])
async def test_every_client_takes_these_arguments(client: Any) -> None:
    made = client(**connection_of(kafka_settings(**SASL, sasl_password="p")))  # noqa: S106

    await (made.close() if client is AIOKafkaAdminClient else made.stop())


@pytest.mark.parametrize("name", ["sasl_password_file", "tls_ca_file", "tls_certificate_file"])
def test_a_file_that_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSettings, match="THREADLINE_KAFKA_"):
        connection_of(kafka_settings(**SASL, **{name: tmp_path / "none"}))
