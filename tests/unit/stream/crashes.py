"""A worker that dies, as a model: what it had made durable, and how far it came with it when it died."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pipeline.stream.lifecycle import apply
from pipeline.stream.owned import Owned
from pipeline.stream.partition import Checkpoint, Output, Partition
from tests.unit.stream.logs import LOG_ID, NUMBER, LogRecord, comparable, emitted

SWEEP_MAX: Final = 1000


class Step(NamedTuple):
    """What happens at one pause of the lifecycle; `share` (0 to 1) is how much of it before the worker dies."""

    does: str
    share: float = 1.0


STEPS: Final = (
    "go on",
    "flush",
    "commit",
    "fail to commit",
    "die",
    "die in outputs",
    "die in state",
    "die before the commit",
    "die after the commit",
)


class Durable:
    """What Kafka holds of one partition beside its log."""

    def __init__(self, *, keeps_metadata: bool) -> None:
        self.said: list[str] = []
        self.changelog: dict[bytes, bytes] = {}
        self.offset = 0
        self.metadata = ""
        self.keeps_metadata = keeps_metadata

    def recover(self) -> Partition:
        """Return the partition as a worker finds it when it begins."""
        owned = Owned(LOG_ID)
        owned.assign([NUMBER])
        owned.restore(NUMBER, [LogRecord(0, 0, name, value, ()) for name, value in self.changelog.items()])
        list(owned.begin({NUMBER: (self.offset, self.metadata)} if self.offset else {}))
        partition = owned.live(NUMBER)
        assert partition is not None
        return partition

    def take(self, partition: Partition, step: Step) -> bool:
        """Do one step; return whether the worker lives on."""
        if step.does == "flush":
            self._say(partition, partition.take_outputs(), 1.0)
        elif step.does not in ("go on", "die"):
            checkpoint = partition.checkpoint()
            if checkpoint is not None:
                self._persist(partition, checkpoint, step)
        return not step.does.startswith("die")

    def _persist(self, partition: Partition, checkpoint: Checkpoint, step: Step) -> None:
        """Take the steps of `commit` as far as this worker comes."""
        in_outputs, in_state = step.does == "die in outputs", step.does == "die in state"
        self._say(partition, checkpoint.outputs, step.share if in_outputs else 1.0)
        if in_outputs:
            return
        written = round(len(checkpoint.states) * (step.share if in_state else 1.0))
        for name, value in checkpoint.states[:written]:
            if value is None:
                self.changelog.pop(name, None)
            else:
                self.changelog[name] = value
        if step.does in ("commit", "die after the commit"):
            self.offset = checkpoint.next_offset
            self.metadata = str(checkpoint.log_time_us) if self.keeps_metadata else ""
        if step.does == "commit":
            partition.sweep(
                committed_offset=checkpoint.next_offset, log_time_us=checkpoint.log_time_us, limit=SWEEP_MAX
            )

    def _say(self, partition: Partition, outputs: Sequence[Output], share: float) -> None:
        kept = outputs[: round(len(outputs) * share)]
        self.said += comparable(emitted(partition, kept))


def live_through(log: Sequence[LogRecord], steps: Iterator[Step], *, keeps_metadata: bool) -> Durable:
    """Let workers follow one another until one has read the whole log; return what they leave behind."""
    durable = Durable(keeps_metadata=keeps_metadata)
    while True:
        partition = durable.recover()
        lives = all(
            durable.take(partition, next(steps, Step("go on"))) for _ in apply(partition, log[durable.offset :])
        )
        if lives:
            durable.take(partition, Step("commit"))
            return durable
