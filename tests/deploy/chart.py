"""The chart, rendered by Helm itself, as the objects that a cluster would be given."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm"
VALUES: Final = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((Path(__file__).parent / "values").iterdir())
}
PROCESSES: Final = ("serve", "worker", "evaluate", "sink", "migrate")
RELEASE: Final = "demo"
NAMESPACE: Final = "prod"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod that a workload makes, with its one container."""

    workload: Manifest
    metadata: dict[str, Any]
    spec: dict[str, Any]

    @property
    def component(self) -> str:
        return str(self.metadata["labels"]["app.kubernetes.io/component"])

    @property
    def container(self) -> dict[str, Any]:
        (container,) = self.spec["containers"]
        return dict(container)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with a value of their own, not from elsewhere."""
        return {entry["name"]: entry["value"] for entry in self.container["env"] if "value" in entry}

    @property
    def references(self) -> dict[str, dict[str, Any]]:
        """The variables whose value comes from elsewhere."""
        return {entry["name"]: entry["valueFrom"] for entry in self.container["env"] if "valueFrom" in entry}


def helm() -> ModuleType:
    """Return Helm's SDK; imported when it is used, since it has no wheel for some machines."""
    return import_module("helm_python")


@cache
def chart() -> Any:
    return helm().Chart.load(CHART)


def render(values: dict[str, Any], *, is_upgrade: bool = False) -> list[Manifest]:
    """Return every object; raises HelmError as an installation would."""
    chart().validate_schema(values)
    texts = chart().render(values, name=RELEASE, namespace=NAMESPACE, is_upgrade=is_upgrade, is_install=not is_upgrade)
    return [
        manifest
        for path, text in texts.items()
        if not path.endswith("NOTES.txt")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


@cache
def _rendered(name: str) -> str:
    return json.dumps(render(VALUES[name]))


def rendered(name: str) -> list[Manifest]:
    """Return every object that one of the value files makes."""
    manifests: list[Manifest] = json.loads(_rendered(name))
    return manifests


def pods(manifests: list[Manifest]) -> Iterator[Pod]:
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield Pod(manifest, manifest["metadata"], manifest["spec"])
        elif manifest["kind"] in {"Deployment", "StatefulSet", "Job"}:
            template = manifest["spec"]["template"]
            yield Pod(manifest, template["metadata"], template["spec"])


def pod(manifests: list[Manifest], component: str) -> Pod:
    (found,) = [pod for pod in pods(manifests) if pod.component == component]
    return found


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the objects of a kind by what their name ends with."""
    return {
        manifest["metadata"]["name"].rpartition("-")[2]: manifest for manifest in manifests if manifest["kind"] == kind
    }
