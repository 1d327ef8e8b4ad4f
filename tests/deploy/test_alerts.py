import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promql import unknown, used

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
ROOT = PROMETHEUS.parents[1]
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in RULES if "record" in rule}
STAGES = {"gateway", "stream", "evaluators", "sinks", "query"}
TESTED = [
    test
    for case in yaml.safe_load((PROMETHEUS / "alerts_test.yaml").read_text())["tests"]
    for test in case["alert_rule_test"]
]


def promtool(*arguments: str) -> None:
    found = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=120
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.promtool
def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    promtool("check", "config", "prometheus.yaml")
    promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")


@pytest.mark.promtool
def test_alerts_fire_when_they_must_and_only_then() -> None:
    promtool("test", "rules", "alerts_test.yaml")


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_tested_both_firing_and_silent(name: str) -> None:
    expected = [bool(test["exp_alerts"]) for test in TESTED if test["alertname"] == name]

    assert True in expected
    assert False in expected


def test_no_test_is_of_an_alert_that_is_not_there() -> None:
    assert {test["alertname"] for test in TESTED} == ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    page = ROOT / alert["annotations"]["runbook"]

    assert alert["labels"]["severity"] in {"critical", "warning"}
    stage = alert["labels"].get("stage")
    # Those of every process have their stage, or their group, from the series.
    assert stage in STAGES or re.search(r"\bby \([^)]*\b(?:stage|group)\b", alert["expr"])
    assert page.parent == ROOT / "deploy" / "runbooks"
    assert f"`{name}`" in page.read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_expression_uses_what_our_processes_show(rule: dict[str, Any]) -> None:
    assert unknown(rule["expr"]) == set()
    assert used(rule["expr"]) or any(name in rule["expr"] for name in RECORDED)
