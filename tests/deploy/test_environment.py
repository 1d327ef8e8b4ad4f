import os
from collections.abc import Mapping

import pytest

from pipeline import settings
from tests.deploy.chart import PROCESSES, VALUES, pods, rendered
from tests.deploy.compose import SERVICES, environment_of
from tests.deploy.generate import variables


def load(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> settings.Settings:
    for name in [name for name in os.environ if name in variables()]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return settings.load()


@pytest.mark.helm
@pytest.mark.parametrize("name", VALUES)
def test_the_processes_take_the_settings_of_the_chart(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for pod in pods(rendered(name)):
        if pod.component in PROCESSES:
            assert pod.environment.keys() | pod.references.keys() <= variables().keys()
            loaded = load({**pod.environment, **dict.fromkeys(pod.references, "from-elsewhere")}, monkeypatch)
            expected = "127.0.0.1" if pod.component == "migrate" else "0.0.0.0"  # noqa: S104
            assert loaded.operation.host == expected


@pytest.mark.parametrize("name", PROCESSES)
def test_the_processes_take_the_settings_of_compose(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_of(SERVICES[name])

    assert environment.keys() <= variables().keys()
    loaded = load(environment, monkeypatch)
    assert loaded.kafka.bootstrap == "kafka:9092"
    assert loaded.clickhouse.host == "clickhouse"
