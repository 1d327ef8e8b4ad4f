"""What a client must see, whichever way it reaches ClickHouse: run over HTTP and in process, and compared.

`python behaviours.py chdb DIR` or `python behaviours.py http PORT` prints one JSON object: name -> what was seen.
"""

import json
import re
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any

import clickhouse_connect

Client = Any
BEHAVIOURS: dict[str, Callable[[Client], object]] = {}


def behaviour(function: Callable[[Client], object]) -> Callable[[Client], object]:
    BEHAVIOURS[function.__name__] = function
    return function


TYPES: dict[str, list[Any]] = {
    "UInt8": [0, 255],
    "Int64": [-(2**63), 2**63 - 1],
    "UInt64": [0, 2**64 - 1],
    "UInt128": [0, 2**128 - 1],
    "Int256": [-(2**255), 2**255 - 1],
    "Float64": [0.1, -1e300],
    "String": ["", "naïve 雪 \t\n\\'\0"],
    "FixedString(4)": [b"abcd", b"\0\xff\0\xff"],
    "UUID": [uuid.UUID(int=0), uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")],
    "Bool": [True, False],
    "Date": [date(1970, 1, 2), date(2026, 11, 23)],
    "DateTime('UTC')": [datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC)],
    "DateTime64(6, 'UTC')": [datetime(2026, 11, 23, 4, 5, 6, 123456, UTC), datetime(1969, 12, 31, 23, 59, 59, 1, UTC)],
    "Decimal(38, 12)": [Decimal("0.000000000001"), Decimal("-12345678901234567890.5")],
    "Array(Array(UInt32))": [[], [[1], [], [2, 3]]],
    "Map(String, Float64)": [{}, {"a": 1.5, "b": -2.0}],
    "Nullable(String)": [None, ""],
    "Nullable(UUID)": [None, uuid.UUID(int=7)],
    "LowCardinality(String)": ["gpt", "claude"],
    "LowCardinality(Nullable(String))": [None, "x"],
    "Array(LowCardinality(String))": [["a", "b", "a"], []],
    "Enum8('open' = 1, 'closed' = 2)": ["open", "closed"],
    "IPv4": [IPv4Address("127.0.0.1"), IPv4Address("255.0.0.1")],
    "Tuple(UInt8, String)": [(1, "a"), (2, "b")],
}


def fails(action: Callable[[], object]) -> str:
    """Return the code and name of ClickHouse's exception."""
    try:
        action()
    except clickhouse_connect.driver.exceptions.Error as error:
        code = re.search(r"Code: (\d+)\.", str(error))
        names = re.findall(r"\(([A-Z][A-Z_0-9]+)\)", str(error))
        return f"{code and code.group(1)} {names[-1] if names else ''}"
    return "no error"


def table(client: Client, columns: str, *, rest: str = "ENGINE = MergeTree ORDER BY tuple()") -> str:
    client.command("DROP TABLE IF EXISTS t")
    client.command(f"CREATE TABLE t ({columns}) {rest}")
    return "t"


def count(client: Client, what: str = "count()") -> Any:
    return client.query(f"SELECT {what} FROM t").result_rows[0][0]  # noqa: S608


@behaviour
def types_survive_the_way_there_and_back(client: Client) -> object:
    seen = {}
    for name, values in TYPES.items():
        table(client, f"n UInt8, v {name}")
        client.insert("t", [[number, value] for number, value in enumerate(values)], column_names=["n", "v"])
        seen[name] = [row[0] for row in client.query("SELECT v FROM t ORDER BY n").result_rows]
    changed = {name: values for name, values in seen.items() if [_aware(value) for value in values] != TYPES[name]}
    assert not changed, changed
    return seen


def _aware(value: Any) -> Any:
    """Return a time in UTC with its zone, which the client leaves out."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


@behaviour
def parameters_are_bound_by_the_engine(client: Client) -> object:
    asked = {"s": "it's \\ \t\n 雪 {x}", "n": 7, "a": ["x'y", ""], "d": datetime(2026, 1, 2, tzinfo=UTC), "z": None}
    return client.query(
        "SELECT {s:String}, {n:UInt8} + 1, {a:Array(String)}, {d:DateTime('UTC')}, {z:Nullable(String)}",
        parameters=asked,
    ).result_rows


@behaviour
def a_large_parameter_travels(client: Client) -> object:
    return client.query("SELECT length({s:String})", parameters={"s": "é" * 200_000}).result_rows


@behaviour
def settings_hold_for_their_query_only(client: Client) -> object:
    question = "SELECT getSetting('max_block_size')"
    before = client.query(question).result_rows
    during = client.query(question, settings={"max_block_size": 123}).result_rows
    return [before == client.query(question).result_rows, during]


@behaviour
def many_blocks_are_all_written(client: Client) -> object:
    table(client, "a UInt64, b String")
    rows = [[number, "x" * 300] for number in range(60_000)]
    client.insert("t", rows, column_names=["a", "b"])
    return [count(client), count(client, "uniqExact(a)"), count(client, "sum(length(b))")]


@behaviour
def lines_of_json_are_written(client: Client) -> object:
    table(client, "a UInt64, b String")
    body = b"".join(b'{"a":%d,"b":"%d"}\n' % (number, number) for number in range(20_000))
    client.raw_insert("t", ["a", "b"], body, fmt="JSONEachRow")
    return [count(client), count(client, "sum(a)")]


@behaviour
def two_rows_in_one_line_are_two_rows(client: Client) -> object:
    table(client, "a UInt64")
    client.raw_insert("t", ["a"], b'{"a":1} {"a":2}\n{"a":3}', fmt="JSONEachRow")
    return count(client)


@behaviour
def other_input_formats_are_read(client: Client) -> object:
    table(client, "a UInt32, b String")
    client.raw_insert("t", ["a", "b"], b"1\tx\n2\t\\n\n", fmt="TabSeparated")
    client.raw_insert("t", ["a", "b"], b'3,"y"\n', fmt="CSV")
    client.raw_insert("t", ["a", "b"], b"\x04\0\0\0\x01z", fmt="RowBinary")
    client.command("INSERT INTO t (a, b) VALUES (5, 'v;(') , (6, '--')")
    client.command("INSERT INTO t SELECT a + 10, b FROM t")
    return client.query("SELECT * FROM t ORDER BY a").result_rows


@behaviour
def errors_have_their_codes(client: Client) -> object:
    table(client, "a UInt8")
    return {
        "table": fails(lambda: client.query("SELECT * FROM nowhere")),
        "column": fails(lambda: client.query("SELECT nothing FROM t")),
        "syntax": fails(lambda: client.command("SELEC 1")),
        "function": fails(lambda: client.query("SELECT nofunction(1)")),
        "number": fails(lambda: client.raw_insert("t", ["a"], b'{"a":"x"}', fmt="JSONEachRow")),
        "insert": fails(lambda: client.raw_insert("nowhere", ["a"], b'{"a":1}', fmt="JSONEachRow")),
        "thrown": fails(lambda: client.query("SELECT throwIf(1, 'on purpose')")),
        "left": count(client),
    }


@behaviour
def insert_settings_are_honoured(client: Client) -> object:
    table(client, "a UInt64", rest="ENGINE = MergeTree PARTITION BY a ORDER BY a")
    unknown = b'{"a":1,"b":2}'
    many = b"".join(b'{"a":%d}' % number for number in range(20))

    def insert(body: bytes, **settings: Any) -> Callable[[], object]:
        return lambda: client.raw_insert("t", ["a"], body, fmt="JSONEachRow", settings={"async_insert": 0} | settings)

    return {
        "unknown fields refused": fails(insert(unknown, input_format_skip_unknown_fields=0)),
        "unknown fields skipped": fails(insert(unknown, input_format_skip_unknown_fields=1)),
        "partitions refused": fails(insert(many, max_partitions_per_insert_block=10)),
        "partitions taken": fails(insert(many, max_partitions_per_insert_block=100)),
        "rows": count(client),
    }


@behaviour
def a_block_that_breaks_a_constraint_is_refused_whole(client: Client) -> object:
    table(client, "a UInt64, CONSTRAINT small CHECK a < 10")
    body = b"".join(b'{"a":%d}' % number for number in range(20))
    return [fails(lambda: client.raw_insert("t", ["a"], body, fmt="JSONEachRow")), count(client)]


@behaviour
def a_token_makes_a_repeated_insert_one(client: Client) -> object:
    table(client, "a UInt64", rest="ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100")
    for token, body in (("k1", b'{"a":1}'), ("k1", b'{"a":1}'), ("k1", b'{"a":2}'), ("k2", b'{"a":1}')):
        client.raw_insert("t", ["a"], body, fmt="JSONEachRow", settings={"insert_deduplication_token": token})
    return client.query("SELECT a FROM t ORDER BY a").result_rows


@behaviour
def limits_of_a_query_hold(client: Client) -> object:
    return {
        "time": fails(
            lambda: client.query(
                "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1",
                settings={"max_execution_time": 1},
            )
        ),
        "memory": fails(
            lambda: client.query(
                "SELECT count() FROM (SELECT number FROM numbers(100000000) GROUP BY number)",
                settings={"max_memory_usage": 50_000_000},
            )
        ),
        "rows": fails(
            lambda: client.query("SELECT * FROM numbers(1000)", settings={"max_result_rows": 10, "max_block_size": 10})
        ),
    }


@behaviour
def a_large_result_is_streamed(client: Client) -> object:
    with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(300000)") as blocks:
        sizes = [(len(block), sum(row[0] for row in block)) for block in blocks]
    return [len(sizes) > 1, sum(size for size, _ in sizes), sum(total for _, total in sizes)]


@behaviour
def a_failure_in_the_midst_of_a_stream_is_told(client: Client) -> object:
    def read() -> int:
        query = "SELECT throwIf(number = 2500000, 'in the midst') FROM numbers(3000000)"
        with client.query_row_block_stream(query) as blocks:
            return sum(len(block) for block in blocks)

    return fails(read)


@behaviour
def results_in_other_formats_are_the_same_bytes(client: Client) -> object:
    formats = ("JSONEachRow", "TabSeparated", "CSVWithNames", "JSONCompactEachRowWithNamesAndTypes", "RowBinary")
    query = "SELECT number AS n, if(n % 2, NULL, toString(n)) AS s FROM numbers(100000) ORDER BY n"
    answers = {name: client.raw_query(query, fmt=name) for name in formats}
    return {name: [len(answer), hash_of(answer)] for name, answer in answers.items()}


@behaviour
def nothing_is_an_answer_too(client: Client) -> object:
    table(client, "a UInt8")
    return [
        client.query("SELECT * FROM t").result_rows,
        client.query("SELECT a, 'x' AS b FROM t LIMIT 0").column_names,
        client.raw_query("SELECT * FROM t", fmt="JSONEachRow").decode(),
        client.command("SELECT count() FROM t"),
        client.query("SHOW TABLES LIKE 't'").result_rows,
        client.command("EXISTS TABLE t"),
        client.query("DESCRIBE TABLE t").result_rows[0][:2],
    ]


@behaviour
def tables_change(client: Client) -> object:
    table(client, "k UInt64, v UInt64, d UInt8", rest="ENGINE = ReplacingMergeTree(v, d) ORDER BY k")
    for values in ("(1, 1, 0), (2, 1, 0)", "(1, 2, 1)", "(2, 3, 0)"):
        client.command(f"INSERT INTO t VALUES {values}")  # noqa: S608
    final = client.query("SELECT * FROM t FINAL ORDER BY k").result_rows
    client.command("OPTIMIZE TABLE t FINAL")
    client.command("ALTER TABLE t ADD COLUMN note String DEFAULT concat('n', toString(k))")
    parts = client.query("SELECT count() FROM system.parts WHERE table = 't' AND active").result_rows
    return [final, parts, client.query("SELECT k, note FROM t FINAL ORDER BY k").result_rows]


def hash_of(answer: bytes) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, answer.hex()).hex


def observe(client: Client) -> dict[str, str]:
    return {name: seen(function, client) for name, function in BEHAVIOURS.items()}


def seen(function: Callable[[Client], object], client: Client) -> str:
    """Return what was seen; a failure is something seen too, and is compared like the rest."""
    try:
        return repr(function(client))
    except Exception as failure:  # noqa: BLE001 - whatever a client raises
        return f"failed: {failure!r}"


def main() -> None:
    how, where = sys.argv[1:3]
    if how == "chdb":
        client = clickhouse_connect.get_client(interface="chdb", path=where)
    else:
        client = clickhouse_connect.get_client(host="127.0.0.1", port=int(where), compress=sys.argv[3])
    try:
        sys.stdout.write(json.dumps(observe(client)))
    finally:
        client.close()


if __name__ == "__main__":
    main()
