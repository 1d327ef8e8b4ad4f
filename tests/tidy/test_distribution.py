from pathlib import Path

from tests.distribution import LONGEST_FIRST, TOGETHER, place_of, unit_of

ROOT = Path(__file__).parents[2]


def test_what_is_dealt_out_specially_is_there() -> None:
    assert [name for name in (*TOGETHER, *LONGEST_FIRST) if not (ROOT / name).exists()] == []
    assert [name for name in LONGEST_FIRST if (ROOT / name).is_dir() and name not in TOGETHER] == []


def test_a_folder_that_shares_a_server_is_one_unit_and_what_takes_long_comes_first() -> None:
    assert unit_of("tests/browser/test_a.py::test_one") == unit_of("tests/browser/test_b.py::test_two[x::y]")
    assert unit_of("tests/deploy/test_a.py::test_one[x::y]") == "tests/deploy/test_a.py"
    assert place_of(f"{LONGEST_FIRST[0]}::test_one") < place_of("tests/browser/test_a.py::test_one")
    assert place_of("tests/browser/test_a.py::test_one") < place_of("tests/deploy/test_a.py::test_one")
