"""Every Kafka topic once: what decides the partition, what it holds and how long."""

from dataclasses import dataclass
from typing import Final, Literal

CleanupPolicy = Literal["delete", "compact"]

RECORD_BYTES_MAX: Final = 56 * 1024 * 1024
"""What topics and clients let through: above the 48 MiB of the largest event, so that we refuse it first."""
DEAD_LETTER_BYTES_MAX: Final = 80 * 1024 * 1024
"""A dead letter keeps its original in base64, which makes it a third larger."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A declared topic. `partitions` None means: as many as the settings say, the same for every such topic."""

    name: str
    key: str
    holds: str
    partitions: int | None = None
    cleanup_policy: CleanupPolicy = "delete"
    append_time: bool = True
    record_bytes_max: int = RECORD_BYTES_MAX

    @property
    def timestamp_type(self) -> Literal["LogAppendTime", "CreateTime"]:
        """Who stamps its records: the broker when it appends them, or their producers."""
        return "LogAppendTime" if self.append_time else "CreateTime"

    def config(self, *, retention_ms: int) -> dict[str, str]:
        """Return the broker's configuration of this topic."""
        config = {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.record_bytes_max),
            "message.timestamp.type": self.timestamp_type,
        }
        if self.cleanup_policy == "delete":
            config["retention.ms"] = str(retention_ms)
        return config


TRACES: Final = Topic(
    "traces",
    key="thread key if the event knows its thread, else trace id",
    holds="the one ordered log of a thread: trace events, commands, settings, ticks",
)
SPANS: Final = Topic("spans", key="trace id", holds="span events")
SCORES: Final = Topic("scores", key="entity id", holds="scores of traces and spans; accepted scores of threads")
ANNOTATIONS: Final = Topic("annotations", key="entity id", holds="tags, comments, display names")
THREADS: Final = Topic("threads", key="thread key", holds="sessions opened and closed, commands refused")
THREAD_REPLIES: Final = Topic(
    "thread-replies", key="none", holds="answers to commands; each serve process reads one partition", partitions=16
)
DEAD_LETTERS: Final = Topic(
    "dead-letters",
    key="the original key",
    holds="what could not be processed, and why",
    record_bytes_max=DEAD_LETTER_BYTES_MAX,
)
LOG_IDS: Final = Topic(
    "log-ids", key="topic name", holds="the id that each topic got when it was created", partitions=1,
    cleanup_policy="compact",
)  # fmt: skip
RULES: Final = Topic(
    "rules", key="workspace and rule id", holds="the rules of online evaluation, the latest state of each",
    partitions=1, cleanup_policy="compact",
)  # fmt: skip

TOPICS: Final = (TRACES, SPANS, SCORES, ANNOTATIONS, THREADS, THREAD_REPLIES, DEAD_LETTERS, LOG_IDS, RULES)
STORED: Final = (TRACES, SPANS, SCORES, ANNOTATIONS, THREADS, DEAD_LETTERS)
"""The topics whose events the sinks keep in ClickHouse."""

STREAM_GROUP: Final = "threadline-stream"
SINKS_GROUP: Final = "threadline-sinks"
EVALUATORS_GROUP: Final = "threadline-evaluators"

GROUPS: Final = {STREAM_GROUP: (TRACES,), EVALUATORS_GROUP: (THREADS,), SINKS_GROUP: STORED}
"""What each consumer group reads."""
