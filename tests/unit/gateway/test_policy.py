import json
from typing import Any

import pytest

from pipeline.errors import InvalidSettings
from pipeline.gateway.policy import read_policy
from pipeline.gateway.quotas import Quota


def policy(**content: Any) -> bytes:
    return json.dumps(content).encode()


def test_what_is_said_of_a_workspace_wins_over_what_is_said_of_every_one() -> None:
    read = read_policy(policy(quotas={"*": {"events_per_second": 5}, "w": {}}, masking={"*": ["email"], "w": []}))

    assert read.quota_of("other") == Quota(events_per_second=5)
    assert read.quota_of("w") == Quota()
    assert read.masks_of("other") is not None
    assert read.masks_of("w") is None


def test_a_file_that_says_nothing_bounds_and_masks_nothing() -> None:
    read = read_policy(b"{}")

    assert (read.quota_of("w"), read.masks_of("w")) == (None, None)


def test_rules_of_ones_own_stand_beside_those_built_in() -> None:
    rules = {"employee": {"pattern": "E-\\d{6}", "replacement": "[who]"}, "secret": {"path": "$..password"}}

    assert read_policy(policy(rules=rules, masking={"*": ["email", "employee", "secret"]})).masks_of("w") is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"quota": {}}, "unknown field `quota`"),
        ({"quotas": {"w": {"events_per_second": 0}}}, "> 0"),
        ({"quotas": {"w": {"events": 1}}}, "unknown field `events`"),
        ({"masking": {"w": ["mail"]}}, "the rule mail, which is neither built in"),
        ({"rules": {"a": {}}}, "rule a needs a pattern or a path"),
        ({"rules": {"a": {"pattern": "a", "path": "$.a"}}}, "and not both"),
        ({"rules": {"a": {"pattern": "("}}}, "rule a: RE2 does not take its pattern"),
        ({"rules": {"a": {"path": "a"}}}, "is no path"),
        ({"rules": {"Not A Name": {"pattern": "a"}}}, "matching regex"),
    ],
)
def test_a_faulty_file_is_refused_with_the_reason(content: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        read_policy(json.dumps(content).encode())

    assert reason in str(refused.value)
