import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from pipeline.adapters.telemetry import metrics

DECLARED = {name: metric for name, metric in vars(metrics).items() if isinstance(metric, (Counter, Gauge, Histogram))}
SHAPE = re.compile(r"threadline_(gateway|stream|sinks|query|evaluators|kafka|loop|build)(_[a-z0-9]+)*")
UNITS = ("_seconds", "_bytes", "_rows", "_records", "_threads", "_listeners", "_parts", "_ratio", "_total")
UNBOUNDED = {"workspace", "project", "thread", "thread_id", "trace_id", "user", "message"}


def test_every_metric_has_a_name_of_one_shape_with_its_unit_last() -> None:
    for metric in DECLARED.values():
        name = metric._name + ("_total" if isinstance(metric, Counter) else "")
        assert SHAPE.fullmatch(name), name
        assert name.endswith(UNITS) or name == "threadline_build", name


def test_no_label_is_without_bound() -> None:
    for metric in DECLARED.values():
        assert not UNBOUNDED & set(metric._labelnames), metric._name


def test_every_declared_metric_is_used(sources: dict[Path, str]) -> None:
    code = "\n".join(text for path, text in sources.items() if path.name != "metrics.py")

    assert [name for name in DECLARED if not re.search(rf"\b{name}\b", code)] == []


def test_metrics_are_declared_in_one_place(sources: dict[Path, str]) -> None:
    elsewhere = [
        str(path)
        for path, text in sources.items()
        if path.name not in {"metrics.py", "health.py"} and "prometheus_client" in text
    ]

    assert elsewhere == []
