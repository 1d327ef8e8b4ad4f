from itertools import permutations

import pytest

from pipeline.events.controls import ScoreRegime, Setting
from pipeline.settings import TIMEOUT_MS_MAX, TIMEOUT_MS_UNSET
from pipeline.stream.timeouts import Timeouts, is_setting_key, is_valid, setting_key
from tests.unit.stream.logs import key

MINE, OTHER = key("a", "mine"), key("a", "other")


def said(
    workspace: str | None, timeout_ms: int | None, regime: ScoreRegime | None = None, *, requested_at_us: int = 0
) -> Setting:
    return Setting(workspace=workspace, requested_at_us=requested_at_us, timeout_ms=timeout_ms, score_regime=regime)


def test_a_workspace_has_its_own_timeout_or_that_of_all() -> None:
    timeouts = Timeouts()
    assert timeouts.timeout_us(MINE) == TIMEOUT_MS_UNSET * 1000
    timeouts.apply(1, said(None, 5))
    timeouts.apply(2, said("mine", 7))
    assert (timeouts.timeout_us(MINE), timeouts.timeout_us(OTHER)) == (7000, 5000)
    timeouts.apply(3, said("mine", None))
    timeouts.apply(4, said(None, None))
    assert (timeouts.timeout_us(MINE), timeouts.default_ms) == (TIMEOUT_MS_UNSET * 1000, TIMEOUT_MS_UNSET)


def test_a_workspace_has_its_own_regime_or_that_of_all_and_strict_at_first() -> None:
    timeouts = Timeouts()
    assert timeouts.regime("mine") == "strict"
    timeouts.apply(1, said(None, None, "lenient"))
    timeouts.apply(2, said("mine", 9, "strict"))
    assert (timeouts.regime("mine"), timeouts.regime("other")) == ("strict", "lenient")


def test_requests_in_any_order_end_the_same_also_after_a_restart() -> None:
    requests = [
        said("mine", 1, requested_at_us=10),
        said("mine", 3, requested_at_us=30),
        said("mine", 2, requested_at_us=20),
    ]
    for order in permutations(requests):
        before, after = Timeouts(), Timeouts()
        for offset, setting in enumerate(order):
            name = before.apply(offset, setting)
        assert before.timeout_us(MINE) == 3000
        after.restore(name, before.packed(name, committed_offset=3), next_offset=3)
        after.apply(3, said("mine", 2, requested_at_us=29))
        assert after.timeout_us(MINE) == 3000
        after.apply(4, said("mine", None, requested_at_us=31))
        assert after.timeout_us(MINE) == TIMEOUT_MS_UNSET * 1000


@pytest.mark.parametrize(("next_offset", "timeout_us"), [(5, 900_000_000), (6, 1000), (8, 1000), (9, 2000)])
def test_a_replay_sees_the_settings_of_its_own_place_in_the_log(next_offset: int, timeout_us: int) -> None:
    before, after = Timeouts(), Timeouts()
    name = before.apply(5, said("mine", 1))
    assert before.apply(8, said("mine", 2)) == name
    after.restore(name, before.packed(name, committed_offset=5), next_offset)
    assert after.timeout_us(MINE) == timeout_us


def test_history_that_no_replay_needs_is_forgotten() -> None:
    timeouts = Timeouts()
    for offset in range(100):
        name = timeouts.apply(offset, said(None, offset + 1))
    assert len(timeouts.packed(name, committed_offset=100)) < 20


def test_the_key_of_all_workspaces_is_that_of_none() -> None:
    keys = {setting_key(None), setting_key(""), setting_key("mine")}
    assert len(keys) == 3
    assert all(map(is_setting_key, keys))
    assert not is_setting_key(MINE)


@pytest.mark.parametrize(("timeout_ms", "valid"), [(None, True), (1, True), (TIMEOUT_MS_MAX, True), (0, False)])
def test_timeouts_have_bounds(timeout_ms: int | None, valid: bool) -> None:  # noqa: FBT001
    assert is_valid(said(None, timeout_ms)) == valid
    assert not is_valid(said(None, TIMEOUT_MS_MAX + 1))
