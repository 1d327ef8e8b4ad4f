import re

from pipeline.query.parts import BY_THREADS, thread_parts
from pipeline.query.thread_rows import DECODER, SELECT, ThreadRow

LINE = (
    '["t",1,340282366920938463463374607431768211455,"00000000-0000-0000-0000-000000000002",'
    '"00000000-0000-0000-0000-000000000003",1,2,30,40,null,5000000,8,10,null,"production",{"tokens":7},0.1,'
    '"inactive",57896044618658097711785492504343953926634992332820282019728792003956564819967,7,30]'
)


def test_the_columns_that_are_read_are_the_members_of_a_row_in_their_order() -> None:
    columns = re.fullmatch(r"SELECT (.*) FROM ", SELECT)

    assert columns is not None
    assert tuple(columns[1].split(", ")) == ThreadRow.__struct_fields__


def test_a_row_holds_numbers_of_any_size_and_costs_to_the_last_digit() -> None:
    row = DECODER.decode(LINE)

    assert (row.first_trace, row.reopened) == (2**128 - 1, 2**255 - 1)
    assert (row.status, str(row.cost), row.usage, row.start_us) == ("inactive", "0.1", {"tokens": 7}, None)


def test_threads_that_are_named_are_looked_up_by_their_ids_in_every_table() -> None:
    parts = thread_parts(narrow=BY_THREADS, with_deletions=False)

    assert all(BY_THREADS in parts[name] for name in ("untold", "sessions"))
