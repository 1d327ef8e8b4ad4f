import asyncio
import json
import re
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes_validate import utils as kubernetes_validate  # type: ignore[import-untyped]

from pipeline.adapters.telemetry.health import Health
from pipeline.cli import threadline
from pipeline.gateway.policy import read_policy
from pipeline.gateway.quotas import Quota
from pipeline.settings import OperationSettings
from pipeline.topics import EVALUATORS_GROUP, SINKS_GROUP, STREAM_GROUP, TRACES
from tests.deploy.chart import (
    CHART,
    PROCESSES,
    ROOT,
    VALUES,
    Manifest,
    chart,
    helm,
    of_kind,
    pod,
    pods,
    render,
    rendered,
)

pytestmark = pytest.mark.helm

CRDS = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "crds").glob("*.json")}
# It reads the definitions of all kinds again for every object.
kubernetes_validate.schema_contents = cache(kubernetes_validate.schema_contents)
VERSIONS = list(dict.fromkeys(kubernetes_validate.all_versions()))[-2:]


@cache
def validate(text: str, version: str) -> None:
    """Raise where Kubernetes would refuse it; value files have many objects in common, and looking takes its time."""
    manifest: Manifest = json.loads(text)
    crd = CRDS.get(manifest["kind"])
    if crd is None:
        kubernetes_validate.validate(manifest, version, strict=True)
    else:
        assert manifest["apiVersion"] == crd["apiVersion"]
        jsonschema.validate(manifest, crd["schema"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", VALUES)
def test_every_object_is_what_kubernetes_takes(name: str, version: str) -> None:
    manifests = rendered(name)

    assert manifests
    for manifest in manifests:
        validate(json.dumps(manifest), version)


@pytest.mark.parametrize("name", VALUES)
def test_helm_lint_finds_nothing(name: str) -> None:
    report = helm().lint(CHART, VALUES[name], strict=True)

    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("name", VALUES)
def test_every_name_is_given_once_and_in_the_namespace_of_the_release(name: str) -> None:
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered(name)]

    assert len(set(names)) == len(names)
    assert {manifest["metadata"]["namespace"] for manifest in rendered(name)} == {"prod"}
    assert max(len(name) for _, name in names) <= 63


@pytest.mark.parametrize("name", VALUES)
def test_every_selector_finds_the_pods_that_are_meant(name: str) -> None:
    manifests = rendered(name)
    labels = {pod.component: pod.metadata["labels"] for pod in pods(manifests)}

    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if selector is None or manifest["kind"] == "PodMonitor":
            continue
        wanted = selector.get("matchLabels", selector)
        found = [component for component, have in labels.items() if wanted.items() <= have.items()]
        assert found == [manifest["metadata"]["labels"]["app.kubernetes.io/component"]]


@pytest.mark.parametrize("name", VALUES)
def test_every_container_is_confined(name: str) -> None:
    for pod_ in pods(rendered(name)):
        security = pod_.container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert pod_.spec["securityContext"]["runAsNonRoot"] is True
        assert pod_.spec["securityContext"]["runAsUser"] > 0
        assert pod_.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod_.container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", VALUES)
def test_no_pod_and_no_service_account_has_a_token(name: str) -> None:
    manifests = rendered(name)
    accounts = of_kind(manifests, "ServiceAccount")

    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    assert all(pod_.spec["automountServiceAccountToken"] is False for pod_ in pods(manifests))


@pytest.mark.parametrize("name", VALUES)
def test_no_password_is_in_the_environment(name: str) -> None:
    for pod_ in pods(rendered(name)):
        assert not [
            variable
            for variable in pod_.container.get("env", [])
            if "PASSWORD" in variable["name"] and "value" in variable
        ]


@pytest.mark.parametrize("name", VALUES)
def test_the_grace_period_fits_the_drain(name: str) -> None:
    manifests = rendered(name)

    for component in ("serve", "worker", "evaluate", "sink"):
        found = pod(manifests, component)
        sleep = found.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = float(found.environment["THREADLINE_OPERATION_DRAIN_SECONDS"])
        assert found.spec["terminationGracePeriodSeconds"] >= sleep + drain + 10


def test_requests_in_flight_may_take_as_long_as_the_drain() -> None:
    serve = pod(rendered("slow-drain"), "serve").environment

    assert serve["THREADLINE_GATEWAY_SHUTDOWN_SECONDS"] == serve["THREADLINE_OPERATION_DRAIN_SECONDS"] == "90.5"


@pytest.mark.parametrize("name", VALUES)
def test_every_process_is_a_command_of_ours(name: str) -> None:
    ours = [pod_ for pod_ in pods(rendered(name)) if pod_.component in PROCESSES]

    assert {pod_.component for pod_ in ours} >= {"serve", "worker", "evaluate", "sink"}
    for pod_ in ours:
        assert pod_.container["args"] == [pod_.component]
        assert pod_.component in threadline.commands


async def test_the_probes_ask_what_the_operators_port_answers() -> None:
    health = Health(OperationSettings(port=0))
    health.set_ready(ready=True)
    await health.start()
    try:
        for component in ("serve", "worker", "evaluate", "sink"):
            container = pod(rendered("minimal"), component).container
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container[probe]["httpGet"]
                url = f"http://127.0.0.1:{health.port}{asked['path']}"
                assert asked["port"] == "operation"
                assert (await asyncio.to_thread(urllib.request.urlopen, url)).status == 200
    finally:
        await health.stop()


def test_a_pod_that_is_alive_but_not_ready_is_not_restarted() -> None:
    for component in ("serve", "worker", "evaluate", "sink"):
        container = pod(rendered("minimal"), component).container
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_ports_are_those_of_the_settings() -> None:
    for component in ("serve", "worker", "evaluate", "sink"):
        found = pod(rendered("minimal"), component)
        ports = {port["name"]: str(port["containerPort"]) for port in found.container["ports"]}
        assert ports["operation"] == found.environment["THREADLINE_OPERATION_PORT"]
        assert ports.get("http") == found.environment.get("THREADLINE_GATEWAY_PORT")


def test_the_keys_are_a_folder_of_the_secret_that_serve_alone_reads() -> None:
    for found in pods(rendered("production")):
        mounts = {mount["name"]: mount for mount in found.container.get("volumeMounts", [])}
        assert ("keys" in mounts) is (found.component == "serve")
    serve = pod(rendered("production"), "serve")
    [mount] = [mount for mount in serve.container["volumeMounts"] if mount["name"] == "keys"]
    assert (mount["readOnly"], "subPath" in mount) == (True, False)
    assert serve.environment["THREADLINE_GATEWAY_KEYS_FILE"] == f"{mount['mountPath']}/production.json"
    assert "THREADLINE_GATEWAY_OPEN_TO_ALL" not in serve.environment
    assert {"name": "keys", "secret": {"secretName": "threadline-keys"}} in serve.spec["volumes"]


def test_every_process_gets_the_password_of_kafka_from_its_secret() -> None:
    for name in PROCESSES:
        reference = pod(rendered("production"), name).references["THREADLINE_KAFKA_SASL_PASSWORD"]
        assert reference == {"secretKeyRef": {"name": "kafka", "key": "password"}}
        assert "THREADLINE_KAFKA_SASL_PASSWORD" not in pod(rendered("minimal"), name).references


@pytest.mark.parametrize("component", PROCESSES)
def test_the_files_of_tls_stand_where_the_settings_look_for_them(component: str) -> None:
    found = pod(rendered("tls"), component)
    mounts = {mount["name"]: mount["mountPath"] for mount in found.container["volumeMounts"]}
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in found.spec["volumes"] if "secret" in volume}
    expected = {
        "THREADLINE_KAFKA_TLS_CA_FILE": f"{mounts['kafka-tls']}/ca.crt",
        "THREADLINE_KAFKA_TLS_CERTIFICATE_FILE": f"{mounts['kafka-tls']}/tls.crt",
        "THREADLINE_KAFKA_TLS_KEY_FILE": f"{mounts['kafka-tls']}/tls.key",
    }
    assert secrets["kafka-tls"] == "kafka-certificates"
    if component != "worker":
        assert secrets["clickhouse-tls"] == "clickhouse-authorities"
        expected |= {
            "THREADLINE_CLICKHOUSE_TLS": "true",
            "THREADLINE_CLICKHOUSE_TLS_CA_FILE": f"{mounts['clickhouse-tls']}/root.pem",
        }

    assert {name: value for name, value in found.environment.items() if "_TLS" in name} == expected
    assert not [name for name in pod(rendered("minimal"), component).environment if "_TLS" in name]


def test_the_autoscaler_asks_kafka_as_the_processes_do() -> None:
    def asked(name: str, component: str) -> dict[str, Any]:
        (trigger,) = of_kind(rendered(name), "ScaledObject")[component]["spec"]["triggers"]
        return {key: trigger["metadata"].get(key) for key in ("sasl", "tls")} | {
            "by": trigger.get("authenticationRef", {}).get("name")
        }

    assert asked("tls", "worker") == {"sasl": "scram_sha256", "tls": "enable", "by": "demo-threadline-kafka"}
    assert asked("mutual-tls", "sink") == {"sasl": "none", "tls": "enable", "by": "demo-threadline-kafka"}
    assert asked("autoscaling", "sink") == {"sasl": None, "tls": None, "by": None}
    assert of_kind(rendered("autoscaling"), "TriggerAuthentication") == {}
    known = of_kind(rendered("tls"), "TriggerAuthentication")["kafka"]
    assert known["metadata"]["name"] == "demo-threadline-kafka"
    assert known["spec"]["env"] == [{"parameter": "username", "name": "THREADLINE_KAFKA_SASL_USERNAME"}]
    assert {(entry["parameter"], entry["name"], entry["key"]) for entry in known["spec"]["secretTargetRef"]} == {
        ("password", "kafka-password", "password"),
        ("ca", "kafka-certificates", "ca.crt"),
        ("cert", "kafka-certificates", "tls.crt"),
        ("key", "kafka-certificates", "tls.key"),
    }
    mutual = of_kind(rendered("mutual-tls"), "TriggerAuthentication")["kafka"]["spec"]
    assert "env" not in mutual
    assert {entry["parameter"] for entry in mutual["secretTargetRef"]} == {"cert", "key"}


def test_the_policy_is_a_file_that_serve_takes() -> None:
    manifests = rendered("production")
    serve = pod(manifests, "serve")
    [mount] = [mount for mount in serve.container["volumeMounts"] if mount["name"] == "policy"]
    [volume] = [volume for volume in serve.spec["volumes"] if volume["name"] == "policy"]
    [found] = [
        manifest
        for manifest in manifests
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"] == volume["configMap"]["name"]
    ]

    assert serve.environment["THREADLINE_GATEWAY_POLICY_FILE"] == f"{mount['mountPath']}/{next(iter(found['data']))}"
    policy = read_policy(found["data"]["policy.json"].encode())
    assert policy.masks_of("any") is not None
    assert policy.quota_of("any") == Quota(events_per_second=2000, bytes_per_second=4_000_000, burst_seconds=30)


def test_without_keys_serve_is_told_that_everybody_may_come() -> None:
    assert pod(rendered("minimal"), "serve").environment["THREADLINE_GATEWAY_OPEN_TO_ALL"] == "true"


def test_a_worker_keeps_its_partitions_over_a_restart() -> None:
    worker = pod(rendered("minimal"), "worker")

    assert worker.workload["kind"] == "StatefulSet"
    assert worker.workload["spec"]["updateStrategy"] == {"type": "RollingUpdate"}
    assert worker.references["THREADLINE_STREAM_INSTANCE_ID"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert (
        worker.workload["spec"]["serviceName"] == of_kind(rendered("minimal"), "Service")["worker"]["metadata"]["name"]
    )


@pytest.mark.parametrize("name", VALUES)
def test_the_worker_knows_nothing_of_clickhouse(name: str) -> None:
    worker = pod(rendered(name), "worker")
    policy = of_kind(rendered(name), "NetworkPolicy").get("worker")

    assert not [
        variable
        for variable in worker.container["env"]
        if "CLICKHOUSE" in variable["name"] and "TIMEOUT" not in variable["name"]
    ]
    assert policy is None or 8123 not in [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]


def test_replicas_are_the_autoscalers_when_there_is_one() -> None:
    fixed, scaled = rendered("minimal"), rendered("autoscaling")

    for component in ("serve", "worker", "evaluate", "sink"):
        assert pod(fixed, component).workload["spec"]["replicas"] == 2
        assert "replicas" not in pod(scaled, component).workload["spec"]
    assert of_kind(fixed, "ScaledObject") == of_kind(fixed, "HorizontalPodAutoscaler") == {}


@pytest.mark.parametrize(
    ("component", "group", "topic"),
    [("worker", STREAM_GROUP, TRACES.name), ("evaluate", EVALUATORS_GROUP, None), ("sink", SINKS_GROUP, None)],
)
@pytest.mark.parametrize("name", ["autoscaling", "production"])
def test_consumers_scale_on_lag_and_never_beyond_partitions(
    name: str, component: str, group: str, topic: str | None
) -> None:
    scaled = of_kind(rendered(name), "ScaledObject")[component]["spec"]
    workload = pod(rendered(name), component).workload
    (trigger,) = scaled["triggers"]

    assert scaled["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": workload["kind"],
        "name": workload["metadata"]["name"],
    }
    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["consumerGroup"] == group
    assert trigger["metadata"].get("topic") == topic
    assert trigger["metadata"]["allowIdleConsumers"] == "false"
    assert trigger["metadata"]["bootstrapServers"] == VALUES[name]["kafka"]["bootstrap"]
    assert scaled["maxReplicaCount"] <= VALUES[name]["kafka"]["partitions"]


def test_migration_comes_before_everything_of_the_release() -> None:
    manifests = rendered("minimal")
    weights = {
        manifest["kind"]: int(manifest["metadata"]["annotations"]["helm.sh/hook-weight"])
        for manifest in manifests
        if manifest["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-install,pre-upgrade"
    }

    assert weights.keys() == {"Job", "ServiceAccount", "NetworkPolicy"}
    assert weights["Job"] > max(weights["ServiceAccount"], weights["NetworkPolicy"])


@pytest.mark.parametrize("name", ["evaluation", "evaluation-kafka", "evaluation-clickhouse"])
def test_migration_waits_for_what_the_same_installation_makes(name: str) -> None:
    job = of_kind(rendered(name), "Job")["1"]

    assert "annotations" not in job["metadata"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"


def test_the_evaluation_is_found_by_its_own_names() -> None:
    manifests = rendered("evaluation")
    services = of_kind(manifests, "Service")
    sink = pod(manifests, "sink")

    assert sink.environment["THREADLINE_KAFKA_BOOTSTRAP"] == f"{services['kafka']['metadata']['name']}:9092"
    assert sink.environment["THREADLINE_CLICKHOUSE_HOST"] == services["clickhouse"]["metadata"]["name"]
    assert sink.environment["THREADLINE_KAFKA_REPLICATION_FACTOR"] == "1"
    secret = of_kind(manifests, "Secret")["clickhouse"]
    reference = sink.references["THREADLINE_CLICKHOUSE_PASSWORD"]["secretKeyRef"]
    assert reference == {"name": secret["metadata"]["name"], "key": "password"}
    assert len(secret["data"]["password"]) > 40


def test_the_password_of_an_evaluation_is_new_each_time() -> None:
    first, second = (of_kind(render(VALUES["evaluation"]), "Secret")["clickhouse"]["data"] for _ in range(2))

    assert first != second


def test_nothing_is_left_of_what_is_switched_off() -> None:
    kinds = {manifest["kind"] for manifest in rendered("everything-off")}

    assert kinds == {"Deployment", "StatefulSet", "Service", "ServiceAccount", "Pod"}
    assert "lifecycle" not in pod(rendered("everything-off"), "serve").container
    assert "topologySpreadConstraints" not in pod(rendered("everything-off"), "serve").spec


def test_a_policy_lets_in_and_out_only_what_is_named() -> None:
    policies = of_kind(rendered("closed-network"), "NetworkPolicy")
    sink, serve = policies["sink"]["spec"], policies["serve"]["spec"]

    assert sink["ingress"] == [
        {
            "ports": [{"protocol": "TCP", "port": "operation"}],
            "from": VALUES["closed-network"]["networkPolicy"]["monitoringFrom"],
        }
    ]
    assert [rule.get("to") for rule in sink["egress"]] == [
        None,  # names
        [{"podSelector": {"matchLabels": {"app": "kafka"}}}],
        [{"podSelector": {"matchLabels": {"app": "clickhouse"}}}],
    ]
    assert sink["egress"][1]["ports"] == [{"protocol": "TCP", "port": 9092}, {"protocol": "TCP", "port": 9093}]
    assert {"podSelector": {"matchLabels": {"app": "agent"}}} in serve["ingress"][1]["from"]
    assert len(serve["ingress"][1]["from"]) == 2  # the other is the pod of `helm test`
    assert policies["migrate"]["spec"]["ingress"] == []


def test_numbers_reach_the_environment_as_they_were_written() -> None:
    manifests = rendered("settings")

    assert pod(manifests, "sink").environment["THREADLINE_GATEWAY_BODY_BYTES_MAX"] == "134217728"
    assert pod(manifests, "serve").environment["THREADLINE_GATEWAY_BODY_BYTES_MAX"] == "268435456"
    assert pod(manifests, "serve").environment["THREADLINE_GATEWAY_IN_FLIGHT_BYTES_MAX"] == "4294967296"
    assert pod(manifests, "sink").environment["THREADLINE_CLICKHOUSE_CONNECT_TIMEOUT_SECONDS"] == "2.5"
    assert pod(manifests, "worker").environment["THREADLINE_KAFKA_SESSION_TIMEOUT_MS"] == "45000"


def test_a_map_is_json_and_the_cluster_is_known_to_who_knows_clickhouse() -> None:
    manifests = rendered("settings")

    assert json.loads(pod(manifests, "sink").environment["THREADLINE_SINKS_RETENTION_DAYS"]) == {"shop": 30, "*": 365}
    for name in ("migrate", "serve", "evaluate", "sink"):
        assert pod(manifests, name).environment["THREADLINE_CLICKHOUSE_CLUSTER"] == "main"


def test_the_image_is_pinned_by_its_digest_where_one_is_given() -> None:
    image = VALUES["production"]["image"]

    for component in PROCESSES:
        assert pod(rendered("production"), component).container["image"] == f"{image['repository']}@{image['digest']}"


def alerts(name: str) -> list[dict[str, Any]]:
    (rule,) = of_kind(rendered(name), "PrometheusRule").values()
    return [entry for group in rule["spec"]["groups"] for entry in group["rules"]]


def test_the_alerts_are_those_of_the_repository() -> None:
    source = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())

    assert alerts("observability") == [rule for group in source["groups"] for rule in group["rules"]]


def test_alerts_link_to_their_runbook_where_its_address_is_known() -> None:
    links = [alert["annotations"]["runbook_url"] for alert in alerts("production") if "alert" in alert]

    assert all(link.startswith("https://git.example.com/threadline/deploy/runbooks/") for link in links)
    assert all((ROOT / "deploy" / "runbooks" / Path(link).name).exists() for link in links)


def test_the_dashboards_are_those_of_the_repository() -> None:
    boards = of_kind(rendered("observability"), "ConfigMap")["dashboards"]

    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    for name in ("overview", "on_call"):
        text = boards["data"][f"threadline-{name.replace('_', '-')}.json"]
        assert json.loads(text) == json.loads((ROOT / f"deploy/grafana/{name}.json").read_text())


def test_the_chart_is_of_the_version_of_the_package() -> None:
    package = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert package is not None
    assert chart().metadata["appVersion"] == package[1]


def test_the_notes_say_how_to_reach_it() -> None:
    notes = chart().render(VALUES["ingress"], name="demo", namespace="prod")["threadline/templates/NOTES.txt"]

    assert "http://a.example.com/" in notes
    assert "helm test --namespace prod demo" in notes


def test_a_package_of_the_chart_renders_the_same(tmp_path: Path) -> None:
    archive = helm().package(CHART, destination=tmp_path)
    with helm().Chart.load(archive) as packaged:
        texts = packaged.render(VALUES["observability"], name="demo", namespace="prod")

    for kind, path in (("PrometheusRule", "prometheusrule"), ("ConfigMap", "dashboards")):
        assert yaml.safe_load(texts[f"threadline/templates/observability/{path}.yaml"]) in rendered("observability"), (
            kind
        )


def test_the_user_that_reads_is_known_to_serve_alone() -> None:
    manifests = rendered("production")
    serve = pod(manifests, "serve")

    assert serve.environment["THREADLINE_QUERY_CLICKHOUSE_USER"] == "threadline_query"
    assert serve.references["THREADLINE_QUERY_CLICKHOUSE_PASSWORD"] == {
        "secretKeyRef": {"name": "clickhouse-query", "key": "password"}
    }
    assert not any("QUERY_CLICKHOUSE" in name for name in pod(manifests, "sink").references)
    assert not any("QUERY_CLICKHOUSE" in name for name in pod(rendered("minimal"), "serve").references)


def test_a_judge_has_its_key_from_a_secret_and_a_way_out() -> None:
    manifests = rendered("slow-drain")
    evaluate = pod(manifests, "evaluate")
    egress = of_kind(manifests, "NetworkPolicy")["evaluate"]["spec"]["egress"]

    assert evaluate.environment["THREADLINE_EVALUATE_JUDGE_URL"] == "https://models.example.com:8443/v1"
    assert evaluate.references["THREADLINE_EVALUATE_JUDGE_API_KEY"] == {
        "secretKeyRef": {"name": "models", "key": "api-key"}
    }
    assert egress[-1] == {"ports": [{"protocol": "TCP", "port": 8443}]}
    assert "THREADLINE_EVALUATE_JUDGE_API_KEY" not in pod(rendered("minimal"), "evaluate").references
