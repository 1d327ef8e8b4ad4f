import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.query.times import iso, iso_or_none, parse_us


@given(st.integers(min_value=-62_135_596_800_000_000, max_value=253_402_214_400_000_000))
def test_a_time_comes_back_as_it_went(time_us: int) -> None:
    assert parse_us(iso(time_us)) == time_us


def test_times_have_microseconds_and_a_zone() -> None:
    assert iso(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
    assert iso(0) == "1970-01-01T00:00:00.000000Z"
    assert iso_or_none(None) is None
    assert iso_or_none(0) == iso(0)


def test_what_no_calendar_has_is_its_nearest_end() -> None:
    assert iso(2**63 - 1).startswith("9999-12-31")
    assert iso(-(2**63)).startswith("0001-01-01")


def test_a_time_may_have_any_zone_or_none() -> None:
    assert parse_us("1970-01-01T01:00:00+01:00") == parse_us("1970-01-01") == parse_us("1970-01-01T00:00:00.000") == 0
    with pytest.raises(ValueError, match="yesterday"):
        parse_us("yesterday")
