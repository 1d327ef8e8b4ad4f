import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.cli import threadline
from pipeline.settings import GatewaySettings, OperationSettings
from tests.apache_kafka.fetch import kafka_version
from tests.deploy.chart import CHART, PROCESSES
from tests.deploy.compose import COMPOSE, DEPLOY, SERVICES, environment_of

SPECIFICATION = json.loads((Path(__file__).parent / "compose-spec.json").read_text())


def test_it_is_what_the_compose_specification_says() -> None:
    jsonschema.validate(COMPOSE, SPECIFICATION)


def test_every_process_runs_a_command_of_ours() -> None:
    for name in PROCESSES:
        assert SERVICES[name]["command"] == [name]
        assert name in threadline.commands


def test_passwords_have_no_default() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{name}: {variable}"


def test_nothing_is_reachable_from_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_of_others_have_a_version() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name not in PROCESSES]

    assert all(re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?", image) for image in images), images


def test_it_runs_the_versions_that_the_chart_and_the_tests_run() -> None:
    evaluation = yaml.safe_load((CHART / "values.yaml").read_text())["evaluation"]

    for name in ("kafka", "clickhouse"):
        image = evaluation[name]["image"]
        assert SERVICES[name]["image"] == f"{image['repository']}:{image['tag']}"
    assert SERVICES["kafka"]["image"].endswith(f":{kafka_version()}")


@pytest.mark.parametrize("name", ["serve", "worker", "evaluate", "sink"])
def test_the_grace_period_fits_the_drain(name: str) -> None:
    grace_seconds = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

    assert grace_seconds >= max(OperationSettings().drain_seconds, GatewaySettings().shutdown_seconds) + 10


def test_processes_start_after_the_migration_and_that_after_its_servers() -> None:
    for name in ("serve", "worker", "evaluate", "sink"):
        assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["migrate"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "clickhouse": {"condition": "service_healthy"},
    }


def test_what_is_mounted_exists() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]

    for mount in mounts:
        assert mount in COMPOSE["volumes"] or (DEPLOY / mount).is_dir(), mount


def test_prometheus_asks_every_process() -> None:
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    (scrape,) = configuration["scrape_configs"]
    (discovery,) = scrape["dns_sd_configs"]

    assert set(discovery["names"]) == set(PROCESSES) - {"migrate"}
    assert discovery["port"] == OperationSettings().port


def test_kafka_and_clickhouse_are_given_what_the_processes_are_told() -> None:
    sink, clickhouse, kafka = (environment_of(SERVICES[name]) for name in ("sink", "clickhouse", "kafka"))

    assert clickhouse["CLICKHOUSE_USER"] == sink["THREADLINE_CLICKHOUSE_USER"]
    assert clickhouse["CLICKHOUSE_PASSWORD"] == sink["THREADLINE_CLICKHOUSE_PASSWORD"]
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == f"CLIENT://{sink['THREADLINE_KAFKA_BOOTSTRAP']}"
