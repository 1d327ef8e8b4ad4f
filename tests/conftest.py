"""What this machine lacks is left out and said in the last lines; in continuous integration nothing may be left out."""

import os
import shutil
from collections import Counter

import pytest

from tests.apache_kafka.fetch import CACHE, kafka_version

CHROMIUM = "chromium"
LEFT_OUT = pytest.StashKey[Counter[str]]()


def lacking() -> dict[str, str]:
    """Return, for each marker whose tests cannot run here, what is missing."""
    found = {}
    if not (CACHE / kafka_version() / "libs").is_dir():
        found["apache_kafka"] = "Apache Kafka could not be fetched from Maven Central"
    if shutil.which(CHROMIUM) is None:
        found["chromium"] = "Debian's package chromium is not installed"
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "apache_kafka: runs on Apache Kafka, fetched from Maven Central")
    config.addinivalue_line("markers", "chromium: looks at the page in a real browser")
    config.stash[LEFT_OUT] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = lacking()
    kept, dropped = [], []
    for item in items:
        reasons = [missing[marker] for marker in missing if item.get_closest_marker(marker)]
        (dropped if reasons else kept).append(item)
        config.stash[LEFT_OUT].update(reasons)
    if dropped and os.environ.get("CI") == "true":
        raise pytest.UsageError(f"continuous integration leaves nothing out: {dict(config.stash[LEFT_OUT])}")
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for reason, count in config.stash[LEFT_OUT].items():
        terminalreporter.write_line(f"LEFT OUT: {count} tests: {reason}", yellow=True)
