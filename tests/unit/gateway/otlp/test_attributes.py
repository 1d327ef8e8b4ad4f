from typing import Any

import pytest

from pipeline.gateway.otlp.attributes import Taken, json_or_text, object_of, parsed_text, unflattened


def test_the_first_name_with_a_fitting_value_counts_and_the_rest_is_kept() -> None:
    taken = Taken({"a": None, "b": " ", "c": "x", "d": "y", "n": True, "m": 3, "f": float("nan"), "g": 0.5})

    assert taken.text("a", "b", "c", "d") == "x"
    assert taken.count("c", "n", "m") == 3
    assert taken.number("f", "g") == 0.5
    assert taken.first("a", "b") == " "
    assert set(taken.rest()) == {"a", "d", "n", "f"}


def test_counts_beyond_what_can_be_stored_are_left_in_the_metadata() -> None:
    taken = Taken({"tokens": 2**63})

    assert taken.count("tokens") is None
    assert taken.rest() == {"tokens": 2**63}


def test_a_list_that_was_flattened_into_names_is_put_together_in_the_order_of_its_indexes() -> None:
    taken = Taken({f"m.{index}.role": f"r{index}" for index in (10, 2, 0)} | {"m.name": "not of the list", "mm.0": 1})

    assert taken.nested("m") == [{"role": "r0"}, {"role": "r2"}, {"role": "r10"}]
    assert set(taken.rest()) == {"m.name", "mm.0"}
    assert taken.nested("nothing") is None


@pytest.mark.parametrize(
    ("flat", "nested"),
    [
        ([("0.a", 1), ("0.b.0", 2), ("0.b.1", 3)], [{"a": 1, "b": [2, 3]}]),
        ([("0", "whole"), ("0.a", 1)], [{"": "whole", "a": 1}]),
        ([("0.a", 1), ("0", "whole")], [{"a": 1, "": "whole"}]),
        ([("0..a", 1)], [{"": {"a": 1}}]),
        ([("99999999999999999999", 1)], {"99999999999999999999": 1}),
    ],
)
def test_names_become_lists_and_objects_even_where_they_contradict_each_other(
    flat: list[tuple[str, Any]], nested: Any
) -> None:
    assert unflattened(flat) == nested


@pytest.mark.parametrize(
    ("value", "document"),
    [
        ("plain", '"plain"'),
        ("12", '"12"'),
        (' {"a": [1]}', ' {"a": [1]}'),
        ("{not json}", '"{not json}"'),
        ('{"a": NaN}', '"{\\"a\\": NaN}"'),
        ('{"a": "\\ud83d"}', '{"a": "\ufffd"}'),
        ("[" * 100_000, '"' + "[" * 100_000 + '"'),
        ({"a": 1.5}, '{"a":1.5}'),
        (7, "7"),
    ],
)
def test_strings_that_are_json_are_stored_as_that_json(value: Any, document: str) -> None:
    assert json_or_text(value) == document


def test_a_string_that_is_said_to_be_text_stays_text() -> None:
    assert json_or_text("[1]", is_text=True) == '"[1]"'


def test_only_objects_are_taken_for_objects() -> None:
    assert object_of('{"a":1}') == {"a": 1}
    assert object_of("[1]") is object_of("{") is object_of(None) is None
    assert parsed_text("[1] [2]") is None
