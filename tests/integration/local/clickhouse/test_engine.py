import subprocess
import sys
from pathlib import Path
from typing import Any


def test_a_directory_has_one_engine_at_a_time(start_clickhouse: Any, tmp_path: Path) -> None:
    with start_clickhouse(tmp_path):
        second = subprocess.run(
            [sys.executable, "-m", "pipeline.local.clickhouse", "--port", "0", "--path", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert second.returncode != 0
    assert "another process has the database" in second.stderr


def test_rows_left_half_way_by_a_killed_process_are_removed(start_clickhouse: Any, tmp_path: Path) -> None:
    leftover = tmp_path / "threadline.spool" / "half"
    leftover.parent.mkdir()
    leftover.write_bytes(b"rows")

    with start_clickhouse(tmp_path) as server:
        assert server.request(body=b"SELECT 1").data == b"1\n"

    assert not leftover.exists()


def test_the_engine_behaves_as_a_server_not_as_a_local_tool(clickhouse: Any) -> None:
    assert clickhouse.request(body=b"1 + 1").headers["X-ClickHouse-Exception-Code"] == "62"


def test_a_failure_that_quotes_bytes_which_are_not_text_is_an_answer_like_any_other(clickhouse: Any) -> None:
    answer = clickhouse.request(body=b"SELECT throwIf(1, unhex('c328'))")

    assert answer.headers["X-ClickHouse-Exception-Code"] == "395"
    assert b"\\xc3(" in answer.data


def test_a_reader_that_goes_away_is_not_worked_for(clickhouse: Any) -> None:
    endless = b"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 2"
    connection = clickhouse.http.connection_from_host("127.0.0.1", clickhouse.port, "http")._new_conn()
    connection.request("POST", "/?cancel_http_readonly_queries_on_client_close=1", body=endless)
    running = b"SELECT count() FROM system.processes WHERE query LIKE '%= 2'"
    while clickhouse.request(body=running).data == b"0\n":
        pass
    connection.close()

    while clickhouse.request(body=running).data != b"0\n":  # bounded by the test run's own timeout
        pass
