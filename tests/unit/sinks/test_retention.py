from datetime import UTC, datetime

from pipeline.sinks.retention import Cutoffs


def at(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc]


def test_a_month_is_over_when_its_last_moment_is_older_than_the_days() -> None:
    days = {"shop": 30}

    assert not Cutoffs(days, at(2026, 3, 30, 23, 59)).is_over("shop", 202602)
    assert Cutoffs(days, at(2026, 3, 31)).is_over("shop", 202602)
    assert not Cutoffs(days, at(2026, 3, 31)).is_over("shop", 202603)
    assert Cutoffs({"shop": 365}, at(2026, 2, 1)).is_over("shop", 202501)


def test_a_workspace_without_days_keeps_everything_unless_all_others_have_some() -> None:
    assert not Cutoffs({"shop": 30}, at(2026, 3, 31)).is_over("other", 202001)
    both = Cutoffs({"shop": 365, "*": 30}, at(2026, 3, 31))
    assert both.is_over("other", 202602)
    assert not both.is_over("shop", 202602)


def test_the_cutoff_of_rows_is_the_beginning_of_the_first_month_that_is_kept() -> None:
    bound = Cutoffs({"shop": 30, "*": 60}, at(2026, 3, 31)).parameters()

    assert bound["names"] == ["", "shop", "*"]
    assert bound["cutoffs"] == [at(2026, 1, 1), at(2026, 3, 1), at(2026, 1, 1)]
    assert bound["others"] == at(2026, 1, 1)
    assert Cutoffs({}, at(2026, 3, 31)).parameters() == {"names": [""], "cutoffs": [-(2**63)], "others": -(2**63)}
