import msgspec
import pytest

from pipeline.errors import Malformed
from pipeline.evaluators.evaluator import parameters_of


class Wanted(msgspec.Struct):
    words: list[str]


def test_parameters_are_read_as_declared() -> None:
    assert parameters_of({"words": ["a"]}, Wanted).words == ["a"]


def test_parameters_of_another_type_are_refused_with_the_place_of_the_fault() -> None:
    with pytest.raises(Malformed, match=r"words\[0\]") as refused:
        parameters_of({"words": [1]}, Wanted)

    assert refused.value.field == "parameters"
