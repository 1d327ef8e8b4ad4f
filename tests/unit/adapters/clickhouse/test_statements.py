import pytest

from pipeline.adapters.clickhouse.statements import split_statements
from pipeline.errors import SchemaMismatch


@pytest.mark.parametrize(
    ("sql", "statements"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1;\n;;\n", ["SELECT 1"]),
        ("", []),
        ("-- only; a comment", []),
        (
            "SELECT ';' AS a; SELECT 'it''s; \\'', `b;`, \"c;\"",
            ["SELECT ';' AS a", "SELECT 'it''s; \\'', `b;`, \"c;\""],
        ),
        ("SELECT 1 -- one; two\n + 2", ["SELECT 1  \n + 2"]),
        ("SELECT /* a; ' b */ 1; SELECT 6 / 2 - 1", ["SELECT   1", "SELECT 6 / 2 - 1"]),
        ("SELECT '-- no comment', '/* none'", ["SELECT '-- no comment', '/* none'"]),
    ],
)
def test_only_a_semicolon_outside_of_strings_names_and_comments_ends_a_statement(
    sql: str, statements: list[str]
) -> None:
    assert list(split_statements(sql)) == statements


@pytest.mark.parametrize("sql", ["SELECT 1;\nSELECT 'a", 'SELECT 1;\nSELECT "a', "SELECT 1;\nSELECT /* a"])
def test_what_has_no_end_is_named_with_its_line(sql: str) -> None:
    with pytest.raises(SchemaMismatch, match="line 2 has no end"):
        list(split_statements(sql))
