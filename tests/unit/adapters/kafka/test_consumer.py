import pytest

from pipeline.adapters.kafka.consumer import Start, start_of


@pytest.mark.parametrize(
    ("committed", "is_same_log", "expected"),
    [
        pytest.param(None, True, Start(10, 0), id="nothing committed: from the oldest"),
        pytest.param(15, True, Start(15, 0), id="within: where it stopped"),
        pytest.param(20, True, Start(20, 0), id="at the end: where it stopped"),
        pytest.param(4, True, Start(10, 6), id="retention was faster: from the oldest, and the gap is known"),
        pytest.param(21, True, Start(10, 0), id="beyond the end: it cannot be this log"),
        pytest.param(15, False, Start(10, 0), id="another log: its offsets mean nothing here"),
    ],
)
def test_reading_begins(committed: int | None, is_same_log: bool, expected: Start) -> None:  # noqa: FBT001
    assert start_of(committed, is_same_log=is_same_log, begin=10, end=20) == expected
