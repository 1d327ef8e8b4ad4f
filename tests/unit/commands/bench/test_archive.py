from collections import Counter

from pipeline.commands.bench.archive import BLOCK_THREADS, BLOCK_TRACES, LONG_TURNS, Archive, long_thread, thread_id


def test_a_million_traces_are_in_fifty_thousand_threads() -> None:
    assert Archive(1_000_000).threads == 50_000
    assert Archive(1_000_000).long_threads == 500


def test_a_block_is_one_long_thread_and_others_that_share_the_rest_evenly() -> None:
    turns = Counter((place - LONG_TURNS) % (BLOCK_THREADS - 1) for place in range(LONG_TURNS, BLOCK_TRACES))

    assert len(turns) == BLOCK_THREADS - 1
    assert set(turns.values()) == {19, 20}


def test_thread_ids_are_apart_and_say_nothing_of_order() -> None:
    ids = [thread_id(number) for number in range(1000)]

    assert len(set(ids)) == len(ids)
    assert ids != sorted(ids)
    assert long_thread(2) == thread_id(2 * BLOCK_THREADS)
