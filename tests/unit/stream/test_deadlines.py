"""The deadlines against a plain sorted list."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.deadlines import NEVER, Deadlines

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "move", "close", "time"]),
        KEYS,
        st.sampled_from([0, 1, 999_999, 1_000_000, 1_000_001, 3_700_000, 60_000_000]),
    ),
    max_size=60,
)


class Threads:
    """Open threads with their deadlines; one that closes early leaves its entry behind."""

    def __init__(self) -> None:
        self.now_us = 0
        self.open: dict[bytes, int] = {}
        self.latest: dict[bytes, int] = {}
        self.deadlines = Deadlines(self.open.get)

    def do(self, step: str, key: bytes, microseconds: int) -> None:
        if step == "open" and key not in self.open:
            self.open[key] = self.later(key, microseconds)
            self.deadlines.add(key, self.open[key])
        elif step == "move" and key in self.open:
            self.open[key] = self.later(key, microseconds)
        elif step == "close" and key in self.open:
            del self.open[key]
            self.deadlines.leave(key)
        elif step == "time":
            self.now_us += microseconds

    def later(self, key: bytes, microseconds: int) -> int:
        """Deadlines of a thread only move forward, those of its next session included."""
        self.latest[key] = max(self.latest.get(key, 0), self.now_us + microseconds + 1)
        return self.latest[key]

    def due(self) -> list[tuple[int, bytes]]:
        return sorted((deadline_us, key) for key, deadline_us in self.open.items() if deadline_us <= self.now_us)


@given(STEPS, st.integers(1, 4))
def test_what_is_due_is_given_in_order_and_nothing_else(steps: list[tuple[str, bytes, int]], limit: int) -> None:
    threads = Threads()
    for step in steps:
        threads.do(*step)
        due, given_back = threads.due(), []
        while threads.deadlines.next_us <= threads.now_us:
            taken = threads.deadlines.take(threads.now_us, limit)
            assert len(taken) <= limit
            given_back += taken
            for _, key in taken:
                del threads.open[key]
        assert given_back == due
        assert threads.deadlines.next_us <= min(threads.open.values(), default=NEVER)


@given(STEPS)
def test_there_is_at_most_one_entry_a_thread(steps: list[tuple[str, bytes, int]]) -> None:
    threads = Threads()
    for step in steps:
        threads.do(*step)
        while threads.deadlines.next_us <= threads.now_us:
            for _, key in threads.deadlines.take(threads.now_us, 100):
                del threads.open[key]
        assert len(threads.open) <= len(threads.deadlines) <= 5


def test_nothing_is_due_of_no_threads() -> None:
    deadlines = Deadlines({}.get)
    assert (deadlines.next_us, deadlines.take(10**18, 10), len(deadlines)) == (NEVER, [], 0)
