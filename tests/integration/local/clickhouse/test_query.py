import importlib
import json
import zlib
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

ROWS = [b'{"a":%d,"b":"%s"}\n' % (number, b"x" * 50) for number in range(9000)]
BLOCKS = [b"".join(ROWS[start : start + 1000]) for start in range(0, len(ROWS), 1000)]
COMPRESS = {
    "": bytes,
    "lz4": lz4.frame.compress,
    "zstd": importlib.import_module("clickhouse_connect.driver.compression")._zstd_compress,
    "gzip": lambda block: zlib.compress(block, wbits=31),
    "deflate": zlib.compress,
}


def fresh_table(clickhouse: Any, rest: str = "") -> None:
    clickhouse.request(body=b"DROP TABLE IF EXISTS q")
    created = clickhouse.request(
        body=f"CREATE TABLE q (a UInt64, b String) ENGINE = MergeTree ORDER BY a {rest}".encode()
    )
    assert created.status == 200, created.data


def insert(clickhouse: Any, body: bytes, encoding: str = "", **words: Any) -> Any:
    query = "INSERT INTO q FORMAT JSONEachRow"
    return clickhouse.request(body=body, headers={"Content-Encoding": encoding}, query=query, **words)


def written(answer: Any, what: str = "written_rows") -> int:
    return int(json.loads(answer.headers["X-ClickHouse-Summary"])[what])


def count(clickhouse: Any) -> int:
    return int(clickhouse.request(body=b"SELECT count() FROM q").data)


@pytest.mark.parametrize("encoding", list(COMPRESS))
def test_an_insert_in_many_frames_is_written_whole_and_counted(clickhouse: Any, encoding: str) -> None:
    fresh_table(clickhouse)

    answer = insert(clickhouse, b"".join(COMPRESS[encoding](block) for block in BLOCKS), encoding)

    assert (answer.status, written(answer), count(clickhouse)) == (200, 9000, 9000)
    assert written(answer, "read_rows") == 9000


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_an_insert_that_is_cut_off_writes_nothing(clickhouse: Any, encoding: str) -> None:
    fresh_table(clickhouse)

    answer = insert(clickhouse, b"".join(COMPRESS[encoding](block) for block in BLOCKS)[:-3], encoding)

    assert answer.headers["X-ClickHouse-Exception-Code"] == "271"
    assert count(clickhouse) == 0


def test_written_rows_counts_rows_not_lines_and_those_of_views_too(clickhouse: Any) -> None:
    fresh_table(clickhouse)
    two_in_a_line = written(insert(clickhouse, b'{"a":1} {"a":2}\n\n{"a":3}'))
    clickhouse.request(body=b"CREATE MATERIALIZED VIEW qv ENGINE = MergeTree ORDER BY a AS SELECT a FROM q")
    with_a_view = insert(clickhouse, b'{"a":1} {"a":2}')
    clickhouse.request(body=b"DROP TABLE qv")

    assert two_in_a_line == 3
    assert (written(with_a_view), written(with_a_view, "read_rows")) == (4, 2)


def test_settings_of_the_statement_and_parameters_reach_an_insert(clickhouse: Any) -> None:
    fresh_table(clickhouse)
    query = "INSERT INTO {where:Identifier} (a) SETTINGS input_format_skip_unknown_fields = 0 FORMAT JSONEachRow"

    taken = clickhouse.request(body=b'{"a":1}', query=query, param_where="q")
    refused = clickhouse.request(body=b'{"a":1,"c":2}', query=query, param_where="q")

    assert (taken.status, written(taken)) == (200, 1)
    assert refused.headers["X-ClickHouse-Exception-Code"] == "117"


def test_an_empty_insert_writes_nothing(clickhouse: Any) -> None:
    fresh_table(clickhouse)

    answer = insert(clickhouse, b"")

    assert (answer.status, written(answer), count(clickhouse)) == (200, 0, 0)


def test_a_large_result_needs_no_more_memory_the_longer_it_is_and_may_be_left_early(clickhouse: Any) -> None:
    def resident_bytes() -> int:
        status = Path(f"/proc/{clickhouse.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    query = b"SELECT number, repeat('x', 1000) FROM numbers(2000000) FORMAT RowBinary"  # 2 GB
    url = f"http://127.0.0.1:{clickhouse.port}/?max_block_size=8192"
    answer = clickhouse.http.request("POST", url, body=query, preload_content=False)
    pieces = answer.stream(1 << 20)
    beginning = sum(len(piece) for piece, _ in zip(pieces, range(100), strict=False))
    before = resident_bytes()
    more = sum(len(piece) for piece, _ in zip(pieces, range(900), strict=False))
    grown = resident_bytes() - before
    answer.close()

    assert beginning > 30_000_000
    assert more > 300_000_000
    assert grown < 100_000_000
    running = b"SELECT count() FROM system.processes WHERE query LIKE 'SELECT number, repeat%'"
    while clickhouse.request(body=running).data != b"0\n":  # bounded by the test run's own timeout
        pass


def test_background_merges_run(clickhouse: Any) -> None:
    fresh_table(clickhouse)
    for number in range(30):
        insert(clickhouse, b'{"a":%d}' % number)

    parts = int(clickhouse.request(body=b"SELECT count() FROM system.parts WHERE table = 'q' AND active").data)
    clickhouse.request(body=b"OPTIMIZE TABLE q FINAL")
    after = int(clickhouse.request(body=b"SELECT count() FROM system.parts WHERE table = 'q' AND active").data)

    assert parts < 30
    assert (after, count(clickhouse)) == (1, 30)
