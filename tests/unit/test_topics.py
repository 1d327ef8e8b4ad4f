import pytest

from pipeline.topics import DEAD_LETTERS, LOG_IDS, STORED, THREAD_REPLIES, TOPICS, TRACES, Topic

HOUR_MS = 3_600_000


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_takes_the_brokers_time_and_the_largest_record(topic: Topic) -> None:
    config = topic.config(retention_ms=HOUR_MS)

    assert config["message.timestamp.type"] == "LogAppendTime"
    largest = 80 if topic is DEAD_LETTERS else 56  # a dead letter keeps its original in base64
    assert config["max.message.bytes"] == str(largest * 1024 * 1024)


def test_events_are_kept_as_long_as_the_settings_say() -> None:
    assert TRACES.config(retention_ms=HOUR_MS)["retention.ms"] == "3600000"
    assert TRACES.config(retention_ms=HOUR_MS)["cleanup.policy"] == "delete"


def test_the_ids_of_the_logs_are_kept_for_ever() -> None:
    config = LOG_IDS.config(retention_ms=HOUR_MS)

    assert config["cleanup.policy"] == "compact"
    assert "retention.ms" not in config


def test_a_topic_may_leave_its_times_to_the_producer() -> None:
    topic = Topic("imports", key="none", holds="what was", append_time=False)

    assert topic.config(retention_ms=HOUR_MS)["message.timestamp.type"] == "CreateTime"


def test_stored_topics_all_have_as_many_partitions_as_the_settings_say() -> None:
    # Scores and threads are written beside the input partition that decided them.
    assert [topic.name for topic in STORED if topic.partitions is not None] == []
    assert (THREAD_REPLIES.partitions, LOG_IDS.partitions) == (16, 1)
