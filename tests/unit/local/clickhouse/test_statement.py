import pytest

from pipeline.local.clickhouse.failures import QueryFailed
from pipeline.local.clickhouse.statement import Kind, parse_statement


@pytest.mark.parametrize(
    ("text", "kind", "format_name"),
    [
        (b"SELECT 1", Kind.READ, None),
        (b"  -- why\n select 1 format JSONEachRow", Kind.READ, "JSONEachRow"),
        (b"SELECT 'FORMAT CSV' FORMAT Native SETTINGS max_threads = 1;", Kind.READ, "Native"),
        (b"WITH 1 AS x SELECT x", Kind.READ, None),
        (b"(SELECT 1) UNION ALL (SELECT 2) FORMAT TSV", Kind.READ, "TSV"),
        (b"SELECT (SELECT 1 FORMAT Null)", Kind.READ, None),
        (b"SELECT $$; FORMAT CSV$$ ; ", Kind.READ, None),
        (b"SHOW TABLES", Kind.ANSWER, None),
        (b"SET max_threads = 1", Kind.SESSION, None),
        (b"use default", Kind.SESSION, None),
        (b"CREATE TABLE t (a UInt8) ENGINE = Memory AS SELECT 1", Kind.ACTION, None),
        (b"INSERT INTO t SELECT 1", Kind.ACTION, None),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", Kind.ACTION, None),
        (b"", Kind.ACTION, None),
    ],
)
def test_a_statement_is_run_by_its_kind(text: bytes, kind: Kind, format_name: str | None) -> None:
    statement = parse_statement(text)

    assert (statement.kind, statement.format_name) == (kind, format_name)


@pytest.mark.parametrize(
    ("before", "settings", "clause", "data"),
    [
        (b"INSERT INTO t ", b"", b"FORMAT JSONEachRow\n", b'{"a":"FORMAT CSV"}'),
        (b"INSERT INTO t (a, b) ", b"", b"FORMAT Native\r\n", b"\n\0\x01 FORMAT"),
        (b'INSERT INTO t (`format`, "values") ', b"SETTINGS async_insert = 0 ", b"FORMAT RowBinary  \n", b"\n\n"),
        (b"INSERT INTO format (a) ", b"", b"VALUES ", b"(1), (2)"),
        (b"INSERT INTO db.values ", b"", b"values", b"(1);"),
        (b"/* SELECT */ insert into function null('a UInt8') ", b"", b"FORMAT TSV\n", b"1\n"),
        (b"INSERT INTO TABLE t ", b"", b"FORMAT CSV ", b""),
    ],
)
def test_an_insert_is_cut_where_its_data_begins(before: bytes, settings: bytes, clause: bytes, data: bytes) -> None:
    text = before + settings + clause + data

    statement = parse_statement(text)

    assert statement.kind is Kind.INSERT
    assert text[: statement.settings_start] == before
    assert text[statement.settings_start : statement.text_end] == settings
    assert text[statement.data_start :] == data


def test_a_second_statement_is_refused() -> None:
    with pytest.raises(QueryFailed, match=r"Code: 62\. .*Multi-statements"):
        parse_statement(b"SELECT 1; DROP TABLE t")
