import copy
from typing import Any

import pytest

from tests.deploy.chart import VALUES, helm, render

pytestmark = pytest.mark.helm

MINIMAL = VALUES["minimal"]


def merged(change: dict[str, Any], base: dict[str, Any] = MINIMAL) -> dict[str, Any]:
    result = copy.deepcopy(base)
    for key, value in change.items():
        result[key] = merged(value, result.get(key, {})) if isinstance(value, dict) else value
    return result


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"kafka": {"bootstrap": ""}}, "Set kafka.bootstrap to the addresses", id="no Kafka"),
        pytest.param({"clickhouse": {"host": ""}}, "Set clickhouse.host to your ClickHouse", id="no ClickHouse"),
        pytest.param({"clickhouse": {"existingSecret": ""}}, "there is no default password", id="no password"),
        pytest.param(
            {"serve": {"clickhouse": {"user": "reader"}}},
            "Set serve.clickhouse.existingSecret",
            id="a reading user without a password",
        ),
        pytest.param(
            {"evaluation": {"kafka": {"enabled": True}}},
            "kafka.bootstrap and evaluation.kafka.enabled exclude each other",
            id="two Kafkas",
        ),
        pytest.param(
            {"evaluation": {"clickhouse": {"enabled": True}}},
            "clickhouse.host and evaluation.clickhouse.enabled exclude each other",
            id="two ClickHouses",
        ),
        pytest.param(
            {"kafka": {"partitions": 4}, "worker": {"replicas": 5}},
            "worker.replicas is 5, but kafka.partitions is 4",
            id="more workers than partitions",
        ),
        pytest.param(
            {"kafka": {"partitions": 4}, "sink": {"replicas": 5}},
            "sink.replicas is 5, but kafka.partitions is 4",
            id="more sinks than partitions",
        ),
        pytest.param(
            {"worker": {"autoscaling": {"enabled": True, "maxReplicas": 65}}},
            "worker.autoscaling.maxReplicas is 65, but kafka.partitions is 64",
            id="workers scale beyond partitions",
        ),
        pytest.param(
            {"sink": {"autoscaling": {"enabled": True, "maxReplicas": 65}}},
            "sink.autoscaling.maxReplicas is 65, but kafka.partitions is 64",
            id="sinks scale beyond partitions",
        ),
        pytest.param(
            {"worker": {"autoscaling": {"enabled": True, "minReplicas": 9}}},
            "worker.autoscaling.minReplicas must not exceed",
            id="worker range upside down",
        ),
        pytest.param(
            {"serve": {"autoscaling": {"enabled": True, "minReplicas": 11}}},
            "serve.autoscaling.minReplicas must not exceed",
            id="serve range upside down",
        ),
        pytest.param(
            {"serve": {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}}},
            "serve.autoscaling.enabled needs serve.resources.requests.cpu",
            id="nothing to aim at",
        ),
        pytest.param(
            {"serve": {"ingress": {"enabled": True}, "openToAll": True}},
            "at least one name in serve.ingress.hosts",
            id="no host",
        ),
        pytest.param(
            {"serve": {"ingress": {"enabled": True, "hosts": ["a.example.com"]}}},
            "Set serve.keys.existingSecret to the secret with the API keys",
            id="an ingress without keys",
        ),
        pytest.param(
            {"serve": {"service": {"type": "LoadBalancer"}}},
            "Set serve.openToAll where that is meant",
            id="a load balancer without keys",
        ),
        pytest.param(
            {"settings": {"THREADLINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "kafka": {"existingSecret": "kafka"}},
            "it needs the setting THREADLINE_KAFKA_SASL_USERNAME",
            id="nobody's password",
        ),
        pytest.param(
            {"sink": {"settings": {"THREADLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}}},
            "For sink THREADLINE_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT; it needs",
            id="one process without a password",
        ),
        pytest.param(
            {"kafka": {"tls": {"existingSecret": "certificates"}}},
            "kafka.tls.existingSecret is set, but for serve THREADLINE_KAFKA_SECURITY_PROTOCOL is PLAINTEXT",
            id="certificates that nobody uses",
        ),
        pytest.param(
            {"kafka": {"tls": {"certificateKey": "tls.crt"}}},
            "kafka.tls.certificateKey and kafka.tls.privateKey belong together",
            id="half a certificate",
        ),
        pytest.param(
            {
                "settings": {"THREADLINE_KAFKA_SECURITY_PROTOCOL": "SSL"},
                "kafka": {"tls": {"certificateKey": "tls.crt", "privateKey": "tls.key"}},
            },
            "kafka.tls.certificateKey needs kafka.tls.existingSecret",
            id="a certificate from nowhere",
        ),
        pytest.param(
            {"clickhouse": {"tls": {"existingSecret": "authorities"}}},
            "clickhouse.tls.enabled is not: the authorities would not be used",
            id="authorities that nobody asks",
        ),
        pytest.param(
            {
                "clickhouse": {"host": "", "tls": {"enabled": True}},
                "evaluation": {"clickhouse": {"enabled": True}},
            },
            "clickhouse.tls.enabled and evaluation.clickhouse.enabled exclude each other",
            id="an evaluation without TLS",
        ),
        pytest.param(
            {"worker": {"settings": {"THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": 10_001}}},
            "For worker THREADLINE_KAFKA_SESSION_TIMEOUT_MS is 30000; it must be at least 3 x",
            id="heartbeats too seldom",
        ),
        pytest.param(
            {"settings": {"THREADLINE_KAFKA_SESSION_TIMEOUT_MS": 6000}},
            "For serve THREADLINE_KAFKA_SESSION_TIMEOUT_MS is 6000",
            id="session too short for the default heartbeat",
        ),
        pytest.param(
            {"settings": {"THREADLINE_GATEWAY_BODY_BYTES_MAX": 1_000_000}},
            "THREADLINE_GATEWAY_EVENT_BYTES_MAX is 50331648; it must not exceed",
            id="events larger than bodies",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(helm().HelmRenderError) as refused:
        render(merged(change))

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            {"kafka": {"partitions": 4}, "worker": {"replicas": 4}, "sink": {"replicas": 4}}, id="as many as partitions"
        ),
        pytest.param(
            {"worker": {"settings": {"THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": 10_000}}}, id="a third of the session"
        ),
        pytest.param({"serve": {"autoscaling": {"enabled": True, "minReplicas": 10}}}, id="a range of one"),
        # Replicas are without effect beside an autoscaler.
        pytest.param(
            {"worker": {"replicas": 100, "autoscaling": {"enabled": True}}}, id="replicas beside an autoscaler"
        ),
    ],
)
def test_values_at_the_bound_are_taken(change: dict[str, Any]) -> None:
    assert render(merged(change))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param({"wroker": {}}, "wroker", id="a misspelt name"),
        pytest.param({"sink": {"replica": 3}}, "replica", id="a misspelt name further down"),
        pytest.param({"sink": {"replicas": 0}}, "/sink/replicas", id="no sink at all"),
        pytest.param({"sink": {"replicas": "3"}}, "/sink/replicas", id="a number as text"),
        pytest.param({"kafka": {"bootstrap": "kafka"}}, "/kafka/bootstrap", id="no port"),
        pytest.param({"kafka": {"partitions": 5000}}, "/kafka/partitions", id="more partitions than we take"),
        pytest.param({"clickhouse": {"host": "http://clickhouse"}}, "/clickhouse/host", id="an address for a host"),
        pytest.param({"clickhouse": {"password": "secret"}}, "password", id="a password among the values"),
        pytest.param({"image": {"digest": "latest"}}, "/image/digest", id="no digest"),
        pytest.param(
            {"settings": {"THREADLINE_SINKS_BATCH_ROWS": 1}}, "THREADLINE_SINKS_BATCH_ROWS", id="no setting of ours"
        ),
        pytest.param(
            {"settings": {"THREADLINE_SINKS_BATCH_ROWS_MAX": 0}},
            "THREADLINE_SINKS_BATCH_ROWS_MAX",
            id="a setting out of bounds",
        ),
        pytest.param(
            {"settings": {"THREADLINE_OPERATION_LOG_LEVEL": "LOUD"}},
            "THREADLINE_OPERATION_LOG_LEVEL",
            id="no such level",
        ),
        pytest.param(
            {"settings": {"THREADLINE_KAFKA_PARTITIONS": 8}},
            "THREADLINE_KAFKA_PARTITIONS",
            id="a value set a second way",
        ),
        pytest.param(
            {"settings": {"OPIK_TRACE_THREAD_TIMEOUT_TO_MARK_AS_INACTIVE": "15 minutes"}},
            "OPIK_TRACE_THREAD_TIMEOUT_TO_MARK_AS_INACTIVE",
            id="no duration",
        ),
        pytest.param({"networkPolicy": {"kafkaTo": ["10.0.0.0/8"]}}, "/networkPolicy/kafkaTo/0", id="no peer"),
        pytest.param(
            {"worker": {"resources": {"limits": {"memory": "2 GB"}}}},
            "/worker/resources/limits/memory",
            id="no quantity",
        ),
    ],
)
def test_values_of_the_wrong_form_are_refused_by_name(change: dict[str, Any], where: str) -> None:
    with pytest.raises(helm().HelmValuesError) as refused:
        render(merged(change))

    assert where in str(refused.value)
