from pathlib import Path

from clickhouse_connect.driver.binding import format_bind_value
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.query.reader import bindable, chunks, listed, query_settings, reading_user
from pipeline.settings import ClickHouseSettings, QuerySettings


@given(st.lists(st.integers(min_value=0, max_value=50)), st.integers(1, 60), st.integers(1, 5))
def test_runs_keep_order_and_bounds(sizes: list[int], bytes_max: int, items_max: int) -> None:
    items = list(enumerate(sizes))

    runs = chunks(items, sizes, bytes_max=bytes_max, items_max=items_max)

    assert [item for run in runs for item in run] == items
    for run in runs:
        assert 0 < len(run) <= items_max
        assert len(run) == 1 or sum(size for _, size in run) <= bytes_max


def test_queries_are_bounded_and_may_only_read() -> None:
    settings = query_settings(QuerySettings(seconds_max=0.2, memory_bytes_max=2**20, rows_read_max=7))

    assert (settings["readonly"], settings["max_execution_time"], settings["max_memory_usage"]) == (1, 1, 2**20)
    assert (settings["max_rows_to_read"], settings["read_overflow_mode"]) == (7, "throw")


def test_queries_are_asked_by_a_user_of_their_own_where_there_is_one() -> None:
    writer = ClickHouseSettings(user="threadline", password=SecretStr("secret"), password_file=Path("secret"))
    reader = QuerySettings(clickhouse_user="reader", clickhouse_password=SecretStr("other"))

    assert reading_user(writer, QuerySettings()) == writer
    used = reading_user(writer, reader)
    assert (used.user, used.password.get_secret_value(), used.password_file) == ("reader", "other", None)
    assert (used.host, used.port, used.database) == (writer.host, writer.port, writer.database)


TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=4)


@given(TEXTS)
def test_texts_are_bound_as_the_client_would_bind_them_one_by_one(texts: list[str]) -> None:
    (bound,) = bindable({"ids": texts}).values()

    assert format_bind_value(bound).replace(", '", ",'") == format_bind_value(texts).replace(", '", ",'")


def test_whole_numbers_are_bound_whatever_their_size_and_flags_are_none() -> None:
    bound = bindable({"many": [0, -1, 2**127], "flags": [True], "none": [], "one": 5})

    assert {name: str(value) for name, value in bound.items()} == {
        "many": f"[0,-1,{2**127}]", "flags": "[True]", "none": "[]", "one": "5",
    }  # fmt: skip


def test_numbers_are_listed_as_one_text_that_is_bound_as_it_is() -> None:
    (bound,) = bindable({"ids": listed([0, 2**127])}).values()

    assert format_bind_value(bound) == f"[0,{2**127}]"
