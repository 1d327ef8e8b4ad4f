import asyncio
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

BEHAVIOURS = Path(__file__).with_name("behaviours.py")
RUN_SECONDS_MAX = 100

# clickhouse-connect 1.12 loses its place in a stream of several blocks from the engine in process.
DEFECTS_IN_PROCESS = {"a_large_result_is_streamed": "[True, 300000, 44999850000]"}


def observe(*arguments: str) -> dict[str, str]:
    run = subprocess.run(
        [sys.executable, str(BEHAVIOURS), *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    seen: dict[str, str] = json.loads(run.stdout)
    return seen


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return observe("chdb", str(tmp_path_factory.mktemp("chdb")))


@pytest.mark.parametrize("compression", ["lz4", "zstd", "False"])
def test_a_client_over_http_sees_what_a_client_in_process_sees(
    clickhouse: Any, in_process: dict[str, str], compression: str
) -> None:
    over_http = observe("http", str(clickhouse.port), compression)

    assert over_http == in_process | DEFECTS_IN_PROCESS
    assert [name for name, seen in over_http.items() if seen.startswith("failed")] == []


def test_ping_answers_ok(clickhouse: Any) -> None:
    answer = clickhouse.request("GET", "/ping")

    assert (answer.status, answer.data) == (200, b"Ok.\n")


def test_a_session_keeps_what_it_sets_and_nothing_that_a_request_brings(clickhouse: Any) -> None:
    client = clickhouse.client(session_id="keeps")
    question = "SELECT getSetting('max_block_size'), getSetting('max_threads')"
    client.command("SET max_block_size = 77")
    client.command("CREATE TEMPORARY TABLE mine (a UInt8)")

    during = client.query(question, settings={"max_block_size": 99, "max_threads": 3, "readonly": 2}).result_rows
    changed = client.query(question, settings={"max_block_size": 99, "max_threads": 3}).result_rows
    after = client.query(question).result_rows

    assert (during, changed) == ([(99, 3)], [(99, 3)])
    assert after[0][0] == 77
    assert after[0][1] != 3
    assert client.command("SELECT count() FROM mine") == 0
    with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError, match="Code: 60"):
        clickhouse.client().command("SELECT count() FROM mine")


def test_a_request_with_an_unknown_setting_leaves_its_session_usable(clickhouse: Any) -> None:
    words = {"session_id": "unharmed", "max_block_size": "5", "no_such_setting": "1"}
    refused = clickhouse.request(body=b"SELECT 1", **words)
    after = clickhouse.request(body=b"SELECT getSetting('max_block_size')", session_id="unharmed")

    assert (refused.status, refused.headers["X-ClickHouse-Exception-Code"]) == (404, "115")
    assert (after.status, after.data == b"5\n") == (200, False)


def test_a_session_takes_one_request_at_a_time(clickhouse: Any) -> None:
    def ask(_: int) -> str:
        answer = clickhouse.request(body=b"SELECT sleep(0.5)", session_id="busy")
        return str(answer.headers.get("X-ClickHouse-Exception-Code", "0"))

    with ThreadPoolExecutor(2) as executors:
        codes = sorted(executors.map(ask, range(2)))

    assert codes == ["0", "373"]


def test_a_session_that_must_exist_and_does_not_is_refused(clickhouse: Any) -> None:
    answer = clickhouse.request(body=b"SELECT 1", session_id="absent", session_check="1")

    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "372")


@pytest.mark.parametrize(
    ("query", "words", "status", "code"),
    [
        ("SELECT * FROM nowhere", {}, 404, "60"),
        ("SELEC 1", {}, 400, "62"),
        ("SELECT 1; SELECT 2", {}, 400, "62"),
        ("SELECT throwIf(1)", {}, 500, "395"),
        ("SELECT 1", {"database": "nowhere"}, 404, "81"),
        ("SELECT 1 FORMAT Nothing", {}, 404, "73"),
        ("CREATE TABLE x (a UInt8) ENGINE = Memory", {"readonly": "1"}, 500, "164"),
        ("SELECT sleep(2)", {"max_execution_time": "1"}, 408, "159"),
        ("SELECT 1", {"compress": "1"}, 501, "48"),
        ("SELECT {x:UInt8}", {}, 500, "456"),
    ],
)
def test_a_failure_has_the_status_code_and_text_of_a_server(
    clickhouse: Any, query: str, words: dict[str, str], status: int, code: str
) -> None:
    answer = clickhouse.request(body=query.encode(), **words)

    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert answer.data.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_anything_but_post_only_reads(clickhouse: Any) -> None:
    assert clickhouse.request("GET", query="SELECT 7").data == b"7\n"
    assert clickhouse.request("GET", query="CREATE DATABASE x").headers["X-ClickHouse-Exception-Code"] == "164"


def test_clients_do_not_disturb_one_another(clickhouse: Any) -> None:
    clickhouse.client().command("CREATE TABLE crowd (who UInt8, a UInt64) ENGINE = MergeTree ORDER BY (who, a)")

    def work(who: int) -> list[Any]:
        client = clickhouse.client()
        sizes = [100 * who + step for step in range(1, 9)]
        written = []
        for size in sizes:
            body = b"".join(b'{"who":%d,"a":%d}\n' % (who, number) for number in range(size))
            written.append(client.raw_insert("crowd", ["who", "a"], body, fmt="JSONEachRow").written_rows)
            total = client.query(
                "SELECT sum(number) FROM numbers({n:UInt64})", parameters={"n": 1000 + who}
            ).result_rows
            assert total == [(sum(range(1000 + who)),)]
        stored = client.query("SELECT count() FROM crowd WHERE who = {who:UInt8}", parameters={"who": who}).result_rows
        return [written == sizes, stored == [(sum(sizes),)]]

    with ThreadPoolExecutor(6) as executors:
        outcomes = list(executors.map(work, range(6)))

    assert outcomes == [[True, True]] * 6


async def test_the_async_client_works_too(clickhouse: Any) -> None:
    async with await clickhouse_connect.get_async_client(host="127.0.0.1", port=clickhouse.port) as client:
        await client.command("CREATE TABLE later (a UInt64) ENGINE = MergeTree ORDER BY a")
        inserts = [client.insert("later", [[n] for n in range(k)], column_names=["a"]) for k in range(1, 9)]
        summaries = await asyncio.gather(*inserts)
        stored = await client.query("SELECT count() FROM later")

    assert [summary.written_rows for summary in summaries] == list(range(1, 9))
    assert stored.result_rows == [(36,)]


def test_what_was_acknowledged_survives_kill_9(start_clickhouse: Any, tmp_path: Path) -> None:
    acknowledged: list[int] = []
    with start_clickhouse(tmp_path) as first, ThreadPoolExecutor(1) as executors:
        client = first.client()
        client.command("CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")

        def insert_until_killed() -> None:
            for number in range(100_000):
                client.raw_insert("kept", ["a"], b'{"a":%d}' % number, fmt="JSONEachRow")
                acknowledged.append(number)
                if len(acknowledged) == 50:
                    first.process.send_signal(signal.SIGKILL)

        with pytest.raises(clickhouse_connect.driver.exceptions.OperationalError):
            executors.submit(insert_until_killed).result(RUN_SECONDS_MAX)
        first.process.wait(RUN_SECONDS_MAX)

    with start_clickhouse(tmp_path) as second:
        stored = {row[0] for row in second.client().query("SELECT a FROM kept").result_rows}

    assert len(acknowledged) >= 50
    assert stored >= set(acknowledged)


def test_sigterm_ends_it_soon_even_while_a_query_runs(start_clickhouse: Any, tmp_path: Path) -> None:
    with start_clickhouse(tmp_path) as server, ThreadPoolExecutor(1) as executors:
        server.client().command("CREATE TABLE kept ENGINE = MergeTree ORDER BY a AS SELECT number AS a FROM numbers(9)")
        endless = b"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
        running = executors.submit(server.request, body=endless)
        while b"1000000000000" not in server.request(body=b"SELECT query FROM system.processes").data:
            assert not running.done()

        code = server.stop()

        assert code == -signal.SIGTERM
        assert running.exception(RUN_SECONDS_MAX) is not None or running.result().status >= 400

    with start_clickhouse(tmp_path) as again:
        assert again.client().command("SELECT count() FROM kept") == 9
