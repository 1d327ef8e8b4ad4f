"""The stream stage with one of its rules broken, to see that whoever claims to find that does.

Each is a patch that a test puts on the product, in its own process (`tests/simulation`) or in that of a worker
(`tests/fault/broken_worker.py`); the product has no switch for any of this. Where it takes a crash between two steps to
see a rule broken, the broken stage also waits between them: that one falls there would be a matter of luck otherwise.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Literal, get_args
from unittest.mock import patch

from pipeline.adapters.clock import Clock
from pipeline.errors import Fenced
from pipeline.stream import lifecycle, sessions
from pipeline.stream.commit import Checkpoints
from pipeline.stream.deadlines import Deadlines
from pipeline.stream.lifecycle import LogRecord, Pause
from pipeline.stream.partition import Checkpoint, Output, Partition
from pipeline.stream.thread_state import read, write

Rule = Literal[
    "output after state",
    "offsets before state",
    "two wheel entries",
    "closing by wall clock",
    "replay not skipped",
]
RULES: Final[tuple[Rule, ...]] = get_args(Rule)

EVERYTHING: Final = 1 << 30

Wait = Callable[[], Awaitable[None]]
Replaced = tuple[object, str, object]
"""What holds an attribute, its name, and what is put there."""


@contextmanager
def broken(rule: Rule, clock: Clock, between_steps: Wait) -> Iterator[None]:
    """Break a rule for as long as the block runs.

    `clock` is the wall clock of those who close by it; `between_steps` is awaited where a crash shows the rule broken.
    """
    with ExitStack() as patches:
        for target, name, replaced in _PATCHES[rule](clock, between_steps):
            patches.enter_context(patch.object(target, name, replaced))
        yield


def _output_after_state(_: Clock, between_steps: Wait) -> Iterator[Replaced]:
    """Write the state of what a checkpoint holds, and only then what is to be said."""
    publish_outputs, write_state = Checkpoints._publish_outputs, Checkpoints._write_state
    persist = Checkpoints._persist

    async def say_later(self: Checkpoints, partition: Partition) -> Any:
        held: list[Sequence[Output]] = []

        async def hold(_: Checkpoints, __: Partition, outputs: Sequence[Output]) -> None:
            held.append(outputs)

        async def write_then_say(self: Checkpoints, partition: Partition, states: Any) -> None:
            await write_state(self, partition, states)
            if any(held):
                await between_steps()
            for outputs in held:
                await publish_outputs(self, partition, outputs)

        one = _Altered(self, _publish_outputs=hold, _write_state=write_then_say)
        return await persist(one, partition)  # type: ignore[arg-type]

    yield Checkpoints, "_persist", say_later


def _offsets_before_state(_: Clock, between_steps: Wait) -> Iterator[Replaced]:
    """Commit offsets, and only then write the state that belongs to them."""
    commit_all, write_state = Checkpoints.commit_all, Checkpoints._write_state

    async def commit_first(self: Checkpoints) -> bool:
        held: list[tuple[Partition, Any]] = []

        async def hold(_: Checkpoints, partition: Partition, states: Any) -> None:
            held.append((partition, states))

        did_commit = await commit_all(_Altered(self, _write_state=hold))  # type: ignore[arg-type]
        if did_commit:
            await between_steps()
        for partition, states in held:
            try:
                await write_state(self, partition, states)
            except Fenced:
                partition.is_lost = True
        return did_commit

    yield Checkpoints, "commit_all", commit_first


def _two_wheel_entries(_: Clock, __: Wait) -> Iterator[Replaced]:
    """Enter a thread that opens again, though the entry of its earlier session still stands."""
    yield Deadlines, "leave", lambda _, __: None


def _closing_by_wall_clock(clock: Clock, _: Wait) -> Iterator[Replaced]:
    """Close who is silent by the clock of this machine, before what the log still holds was read."""
    apply = lifecycle.apply

    def close_and_apply(partition: Partition, records: Iterable[LogRecord]) -> Iterator[Pause]:
        now_us = clock.now_us()
        while partition.deadlines.next_us <= now_us:
            for deadline_us, key in partition.deadlines.take(now_us, EVERYTHING):
                state = partition.state_of(key)
                if state is not None:
                    sessions.end(
                        partition, key, state, "inactive", at_us=deadline_us, applied_offset=state.applied_offset
                    )
        yield from apply(partition, records)

    yield lifecycle, "apply", close_and_apply


def _replay_not_skipped(_: Clock, between_steps: Wait) -> Iterator[Replaced]:
    """Forget, when beginning, which records the state of each thread contains already.

    That is seen where state is ahead of the committed offset: after a crash between the two.
    """
    restore, commit = Partition.restore, Checkpoints._commit

    async def commit_later(self: Checkpoints, ready: Sequence[tuple[Partition, Checkpoint]]) -> bool:
        if ready:
            await between_steps()
        return await commit(self, ready)

    def forget(self: Partition, **place: Any) -> None:
        restore(self, **place)
        for key, packed in self.threads.items():
            self.threads[key] = write(read(packed)._replace(applied_offset=-1))

    yield Checkpoints, "_commit", commit_later
    yield Partition, "restore", forget


class _Altered:
    """One object, some of whose methods are others."""

    def __init__(self, original: object, **methods: Callable[..., Any]) -> None:
        self._original: Final = original
        self._methods: Final = methods

    def __getattr__(self, name: str) -> Any:
        if name in self._methods:
            return self._methods[name].__get__(self._original)
        found = getattr(self._original, name)
        # Methods of the original call its other methods through this, so that they meet what is altered.
        is_own = getattr(found, "__self__", None) is self._original
        return found.__func__.__get__(self) if is_own else found


_PATCHES: Final[Mapping[Rule, Callable[[Clock, Wait], Iterator[Replaced]]]] = {
    "output after state": _output_after_state,
    "offsets before state": _offsets_before_state,
    "two wheel entries": _two_wheel_entries,
    "closing by wall clock": _closing_by_wall_clock,
    "replay not skipped": _replay_not_skipped,
}
