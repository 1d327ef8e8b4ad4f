from typing import Any


def test_a_session_remembers_its_database(clickhouse: Any) -> None:
    clickhouse.request(body=b"CREATE DATABASE IF NOT EXISTS elsewhere")
    clickhouse.request(body=b"USE elsewhere", session_id="moved")

    here = clickhouse.request(body=b"SELECT currentDatabase()", session_id="moved", database="default")
    there = clickhouse.request(body=b"SELECT currentDatabase()", session_id="moved")
    read_only = clickhouse.request(body=b"SELECT currentDatabase()", session_id="moved", readonly="1")

    assert (here.data, there.data, read_only.data) == (b"default\n", b"elsewhere\n", b"elsewhere\n")


def test_a_session_is_forgotten_after_its_timeout(clickhouse: Any) -> None:
    clickhouse.request(body=b"SET max_threads = 3", session_id="short", session_timeout="1")
    question = {"body": b"SELECT sleep(1.2)"}
    clickhouse.request(**question)

    answer = clickhouse.request(body=b"SELECT 1", session_id="short", session_check="1")

    assert answer.headers["X-ClickHouse-Exception-Code"] == "372"
