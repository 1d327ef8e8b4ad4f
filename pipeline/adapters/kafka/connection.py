"""How every Kafka client connects: the same addresses, TLS and credentials, whoever it is for.

Passwords come from files where they can: a mounted Secret stands neither in the environment nor in a process list.
"""

import ssl
from typing import Any

from pipeline.errors import InvalidSettings
from pipeline.settings import KafkaSettings


def connection_of(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments by which a client of aiokafka connects.

    Raises InvalidSettings where a file that is named cannot be read.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
        "ssl_context": tls_context(settings),
    }
    if settings.uses_sasl:
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": password_of(settings),
        }
    return arguments


def tls_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return how TLS is spoken, None where it is not; raises InvalidSettings."""
    if not settings.uses_tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_certificate_file is not None:
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSettings(f"THREADLINE_KAFKA_TLS_*_FILE: {error}") from error
    return context


def password_of(settings: KafkaSettings) -> str:
    """Return the password of the SASL user: that of the file where one is named; raises InvalidSettings."""
    if settings.sasl_password_file is None:
        return settings.sasl_password.get_secret_value()
    try:
        return settings.sasl_password_file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"THREADLINE_KAFKA_SASL_PASSWORD_FILE cannot be read: {error}") from error
