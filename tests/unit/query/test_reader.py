from hypothesis import given
from hypothesis import strategies as st

from pipeline.query.reader import chunks, query_settings
from pipeline.settings import QuerySettings


@given(st.lists(st.integers(min_value=0, max_value=50)), st.integers(1, 60), st.integers(1, 5))
def test_runs_keep_order_and_bounds(sizes: list[int], bytes_max: int, items_max: int) -> None:
    items = list(enumerate(sizes))

    runs = chunks(items, sizes, bytes_max=bytes_max, items_max=items_max)

    assert [item for run in runs for item in run] == items
    for run in runs:
        assert 0 < len(run) <= items_max
        assert len(run) == 1 or sum(size for _, size in run) <= bytes_max


def test_queries_are_bounded_and_may_only_read() -> None:
    settings = query_settings(QuerySettings(seconds_max=0.2, memory_bytes_max=2**20))

    assert (settings["readonly"], settings["max_execution_time"], settings["max_memory_usage"]) == (1, 1, 2**20)
