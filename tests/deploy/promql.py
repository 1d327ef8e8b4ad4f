"""Which metrics and labels a PromQL expression uses, against those that we declare."""

import re
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from pipeline.adapters.telemetry import metrics

_NAME: Final = re.compile(r"\bthreadline_\w+\b(?!:)")
_SELECTOR: Final = re.compile(r"\b(threadline_\w+)\{([^}]*)\}")
_GIVEN_BY_PROMETHEUS: Final = {"instance", "job", "pod", "namespace"}


def series() -> dict[str, set[str]]:
    """Return the labels of every series that our processes can show, by its name."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Histogram):
            labels = set(metric._labelnames)
            found |= {
                f"{metric._name}_bucket": labels | {"le"},
                f"{metric._name}_sum": labels,
                f"{metric._name}_count": labels,
            }
        elif isinstance(metric, Counter):
            found[f"{metric._name}_total"] = set(metric._labelnames)
        elif isinstance(metric, Gauge):
            found[metric._name] = set(metric._labelnames)
    return found


def used(expression: str) -> set[str]:
    """Return the series of ours that the expression names."""
    return set(_NAME.findall(expression))


def unknown(expression: str) -> set[str]:
    """Return what the expression names but no process shows: series, and labels that these do not have."""
    known = series()
    faults = {name for name in used(expression) if name not in known}
    for name, selector in _SELECTOR.findall(expression):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        faults |= {f"{name}{{{label}}}" for label in labels - known.get(name, set()) - _GIVEN_BY_PROMETHEUS}
    possible = set().union(*(known.get(name, set()) for name in used(expression))) | _GIVEN_BY_PROMETHEUS
    for labels in re.findall(r"\bby \(([^)]*)\)", expression):
        faults |= {
            f"by ({label})" for label in re.findall(r"\w+", labels) if used(expression) and label not in possible
        }
    return faults
