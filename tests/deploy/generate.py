"""Write what follows from elsewhere: in `helm/` the settings of values.schema.json, and README.md from values.yaml; in
`deploy/` the list of metrics, and the table of capacity.

.venv/bin/python -m tests.deploy.generate
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client import Counter, Gauge, Histogram
from pydantic_settings import BaseSettings

from pipeline import settings
from pipeline.adapters.telemetry import metrics
from pipeline.settings import TIMEOUT_VARIABLE
from tests.deploy.capacity import GUIDE, guide_text

CHART: Final = Path(__file__).parents[2] / "helm"
METRICS: Final = Path(__file__).parents[2] / "deploy" / "metrics.md"
SET_BY_VALUES: Final = frozenset(
    {
        "THREADLINE_KAFKA_BOOTSTRAP",
        "THREADLINE_KAFKA_PARTITIONS",
        "THREADLINE_KAFKA_REPLICATION_FACTOR",
        "THREADLINE_KAFKA_RETENTION_HOURS",
        "THREADLINE_KAFKA_TLS_CA_FILE",
        "THREADLINE_KAFKA_TLS_CERTIFICATE_FILE",
        "THREADLINE_KAFKA_TLS_KEY_FILE",
        "THREADLINE_CLICKHOUSE_HOST",
        "THREADLINE_CLICKHOUSE_PORT",
        "THREADLINE_CLICKHOUSE_DATABASE",
        "THREADLINE_CLICKHOUSE_USER",
        "THREADLINE_CLICKHOUSE_PASSWORD",
        "THREADLINE_QUERY_CLICKHOUSE_USER",
        "THREADLINE_CLICKHOUSE_CLUSTER",
        "THREADLINE_CLICKHOUSE_TLS",
        "THREADLINE_CLICKHOUSE_TLS_CA_FILE",
        "THREADLINE_GATEWAY_HOST",
        "THREADLINE_GATEWAY_PORT",
        "THREADLINE_GATEWAY_KEYS_FILE",
        "THREADLINE_GATEWAY_OPEN_TO_ALL",
        "THREADLINE_GATEWAY_POLICY_FILE",
        "THREADLINE_GATEWAY_SHUTDOWN_SECONDS",
        "THREADLINE_OPERATION_HOST",
        "THREADLINE_OPERATION_PORT",
        "THREADLINE_OPERATION_DRAIN_SECONDS",
        "THREADLINE_STREAM_INSTANCE_ID",
        "THREADLINE_EVALUATE_JUDGE_URL",
    }
)
"""Settings that have a value of their own in the chart, or that it derives: not to be set a second way."""
NOT_FOR_CLUSTERS: Final = frozenset(
    {
        "THREADLINE_KAFKA_LAST_RECORD_ALONE",  # for the embedded broker only
        "THREADLINE_EVALUATE_INSTANCE_ID",  # evaluators, like sinks, are a Deployment: all would share one name
        "THREADLINE_GATEWAY_PROCESSES",  # a pod is one process with one operator's port: take more replicas
        "THREADLINE_GATEWAY_SHARE_PORT",
        "THREADLINE_SINKS_INSTANCE_ID",
    }
)


@cache
def variables() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every setting by the name of its environment variable."""
    found: dict[str, dict[str, Any]] = {}
    for branch in settings._BRANCHES.values():
        found.update(_variables_of(branch))
    return dict(sorted(found.items()))


def _variables_of(branch: type[BaseSettings]) -> Iterator[tuple[str, dict[str, Any]]]:
    prefix = branch.model_config["env_prefix"]
    properties = branch.model_json_schema(by_alias=False)["properties"]
    for name, field in branch.model_fields.items():
        variable = str(field.validation_alias) if field.validation_alias else f"{prefix}{name}".upper()
        schema = {key: value for key, value in properties[name].items() if key not in {"title", "default"}}
        if variable == TIMEOUT_VARIABLE:
            schema |= {"pattern": r"^\d+\s*(ms|s|m|h|d)$", "description": "The silence that closes a thread, e.g. 15m."}
        yield variable, schema


def schema_text() -> str:
    """Return values.schema.json with the settings as pipeline/settings.py declares them."""
    document = json.loads((CHART / "values.schema.json").read_text())
    allowed = {
        name: schema
        for name, schema in variables().items()
        if name not in SET_BY_VALUES | NOT_FOR_CLUSTERS and not schema.get("writeOnly")  # secrets are no values
    }
    document["$defs"]["settings"]["properties"] = allowed
    return json.dumps(document, indent=2) + "\n"


def readme_text() -> str:
    """Return README.md: what is in front, then one line for every value."""
    rows = "\n".join(f"| `{name}` | `{default}` | {meaning} |" for name, default, meaning in values())
    return f"{_README}\n| value | default | meaning |\n|---|---|---|\n{rows}\n"


def metrics_text() -> str:
    """Return metrics.md: one line for every metric that is declared, in the order of its declaration."""
    declared = [metric for metric in vars(metrics).values() if isinstance(metric, (Counter, Gauge, Histogram))]
    rows = "\n".join(
        f"| `{metric._name}{'_total' if isinstance(metric, Counter) else ''}` | {metric._type} "
        f"| {', '.join(f'`{label}`' for label in metric._labelnames)} | {metric._documentation} |"
        for metric in declared
    )
    return f"{_METRICS}\n| metric | kind | labels | meaning |\n|---|---|---|---|\n{rows}\n"


def values() -> list[tuple[str, str, str]]:
    """Return name, default and meaning of every value that values.yaml declares."""
    text = (CHART / "values.yaml").read_text()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(_values(root, (), text.splitlines(), yaml.safe_load(text)))


def _values(
    node: yaml.MappingNode, path: tuple[str, ...], lines: list[str], defaults: Any
) -> Iterator[tuple[str, str, str]]:
    for key, child in node.value:
        name = (*path, key.value)
        meaning = _comment_above(lines, key.start_mark.line)
        default = defaults[key.value]
        in_own_lines = child.start_mark.line > key.start_mark.line
        if isinstance(child, yaml.MappingNode) and child.value and in_own_lines and key.value != "labels":
            if meaning:
                yield ".".join(name), "", meaning
            yield from _values(child, name, lines, default)
        else:
            yield ".".join(name), json.dumps(default), meaning


def _comment_above(lines: list[str], number: int) -> str:
    comment: list[str] = []
    while number > 0 and lines[number - 1].strip().startswith("#"):
        number -= 1
        comment.insert(0, lines[number].strip().removeprefix("#").strip())
    return " ".join(comment)


_README: Final = """\
# Threadline on Kubernetes

This page is written by `python -m tests.deploy.generate`; change `values.yaml`.

Build the image, put it where your cluster finds it, and say so in `image`:

```console
$ docker build --file deploy/Dockerfile --tag threadline:0.1.0 .
$ helm install threadline ./helm --values my-values.yaml
$ helm test threadline
```

You bring Apache Kafka and ClickHouse; the least that `my-values.yaml` says is

```yaml
kafka:
  bootstrap: kafka-1:9092,kafka-2:9092,kafka-3:9092
clickhouse:
  host: clickhouse
  existingSecret: threadline-clickhouse # holds the password under the key `password`
```

Without API keys serve takes requests from everybody inside the cluster, and the chart refuses an Ingress, a NodePort or
a LoadBalancer. `threadline keys create` writes the file of keys; make it a Secret and name it:

```console
$ threadline keys --file keys.json create --name shop --workspace shop
$ kubectl create secret generic threadline-keys --from-file=keys.json
$ helm upgrade threadline ./helm --reuse-values --set serve.keys.existingSecret=threadline-keys
```

To look at it without either, let the chart make single nodes of both (for evaluation only):

```console
$ helm install threadline ./helm --set evaluation.kafka.enabled=true,evaluation.clickhouse.enabled=true
```

What runs: `serve` (a Deployment: HTTP), `worker` (a StatefulSet: the lives of threads; each pod is a static member of
its consumer group under its own name), `evaluate` (a Deployment: scores closed threads), `sink` (a Deployment: into
ClickHouse), and `migrate` (a job before every installation and upgrade). All are non-root with a read-only file system
and without a service account token.
Values that cannot work are refused with a sentence before anything is installed.

An upgrade runs `migrate` first, then replaces `serve`, `worker`, `evaluate` and `sink` pod by pod. `helm rollback`
replaces the pods; tables only ever go forward, and a release that no longer knows a table's migration refuses to
migrate.

Values without a meaning here are what Kubernetes calls by that name.

## Values
"""


_METRICS: Final = """\
# Metrics

This page is written by `python -m tests.deploy.generate`; change `pipeline/adapters/telemetry/metrics.py`.

Every process shows them at `/metrics` of its operator's port (9100). The unit is the end of the name. Labels are
bounded: workspaces, threads and users are never among them. Beside these stand those of `prometheus_client` for every
Python process: CPU, memory, open files, garbage collection.

What concerns whole groups and tables (lag, retention headroom, balance, parts) is said by one sink for all: the one
that owns partition 0 of `traces`. Take `max by (group, topic, partition)` of it, since for a moment two may say it.
"""


def main() -> None:
    """Write all of them."""
    (CHART / "values.schema.json").write_text(schema_text())
    (CHART / "README.md").write_text(readme_text())
    METRICS.write_text(metrics_text())
    GUIDE.write_text(guide_text())


if __name__ == "__main__":
    main()
