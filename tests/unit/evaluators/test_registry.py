from importlib.metadata import EntryPoint
from typing import Any

import pytest

from pipeline.errors import Malformed
from pipeline.evaluators import registry
from pipeline.evaluators.heuristics import HEURISTICS, Turns
from pipeline.evaluators.registry import GROUP, Registry


def test_an_evaluator_is_built_by_its_name() -> None:
    assert isinstance(Registry(HEURISTICS).build("turns", {}), Turns)


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Malformed, match=r"known are .*goal_words"):
        Registry(HEURISTICS).build("turn", {})


def test_wrong_parameters_name_the_evaluator() -> None:
    with pytest.raises(Malformed, match="evaluator goal_words: parameters"):
        Registry(HEURISTICS).build("goal_words", {})


def test_installed_packages_bring_evaluators_but_replace_none_and_break_none(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [
        EntryPoint("theirs", f"{Turns.__module__}:Turns", GROUP),
        EntryPoint("turns", f"{Turns.__module__}:GoalWords", GROUP),
        EntryPoint("broken", "no.such.module:Thing", GROUP),
    ]

    def entry_points(**chosen: Any) -> list[EntryPoint]:
        return installed if chosen == {"group": GROUP} else []

    monkeypatch.setattr(registry, "entry_points", entry_points)
    known = Registry.with_installed(HEURISTICS)

    assert isinstance(known.build("theirs", {}), Turns)
    assert isinstance(known.build("turns", {}), Turns)
    with pytest.raises(Malformed, match="no evaluator 'broken'"):
        known.build("broken", {})
