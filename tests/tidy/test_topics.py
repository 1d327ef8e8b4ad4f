import re
from pathlib import Path

from pipeline import topics


def test_every_topic_is_used(sources: dict[Path, str]) -> None:
    code = "\n".join(text for path, text in sources.items() if path.name != "topics.py")
    names = [name for name, value in vars(topics).items() if isinstance(value, topics.Topic)]

    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []


def test_every_topic_is_declared_once_and_listed() -> None:
    declared = [value for value in vars(topics).values() if isinstance(value, topics.Topic)]

    assert sorted(topic.name for topic in declared) == sorted(topic.name for topic in topics.TOPICS)
    assert len({topic.name for topic in declared}) == len(declared)


def test_no_client_asks_for_a_topic_by_a_literal_name(sources: dict[Path, str]) -> None:
    literal = re.compile(r"TopicPartition\(\s*[\"']")

    assert [str(path) for path, text in sources.items() if literal.search(text)] == []
