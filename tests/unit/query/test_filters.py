import pytest

from pipeline.errors import Malformed
from pipeline.query.filters import FILTERS_MAX, OPERATORS, Filter, Kind, apply, column, contains, decode
from pipeline.query.statement import Statement

HOSTILE = "'; DROP TABLE traces; -- {x:String} %"


def sql_of(kind: Kind, operator: str, value: str, key: str | None = None) -> tuple[str, dict[str, object]]:
    statement = Statement({"part": "SELECT 1"}, {})
    apply([Filter("field", operator, value, key)], {"field": column(kind, "expression")}, statement)
    sql = statement.text("SELECT * FROM part")
    return sql.partition("WHERE ")[2].strip(), statement.parameters(sql)


@pytest.mark.parametrize(
    ("kind", "operator", "value", "condition", "bound"),
    [
        ("exact", "=", "x", "ifNull(expression, '') = {value_0:String}", "x"),
        ("exact", "<", "x", "ifNull(expression, '') < {value_0:String}", "x"),
        ("exact", "contains", "%", "position(ifNull(expression, ''), {value_0:String}) > 0", "%"),
        ("exact", "ends_with", "x", "endsWith(ifNull(expression, ''), {value_0:String})", "x"),
        ("number", ">=", "0.5", "ifNull(expression >= {value_0:Float64}, 0)", 0.5),
        ("time", "<", "1970-01-01T00:00:01+01:00", "ifNull(expression < {value_0:Int64}, 0)", -3_599_000_000),
        ("choice", "not_in", "a, b", "NOT has({value_0:Array(String)}, ifNull(expression, ''))", ["a", "b"]),
        ("choice", "=", "a, b", "has({value_0:Array(String)}, ifNull(expression, ''))", ["a, b"]),
        ("list", "=", "a", "arrayExists(tag -> tag = {value_0:String}, expression)", "a"),
    ],
)
def test_a_filter_is_a_condition_over_a_bound_value(
    kind: Kind, operator: str, value: str, condition: str, bound: object
) -> None:
    assert sql_of(kind, operator, value) == (f"({condition})", {"value_0": bound})


@pytest.mark.parametrize("kind", ["exact", "text", "choice", "list", "document"])
def test_no_value_or_key_ever_becomes_text_of_the_sql(kind: Kind) -> None:
    for operator in OPERATORS[kind] - {"<", ">", "<=", ">="}:
        sql, _ = sql_of(kind, operator, HOSTILE, HOSTILE)
        assert "DROP" not in sql


def test_an_operator_that_the_field_does_not_have_is_named() -> None:
    for kind, operators in OPERATORS.items():
        with pytest.raises(Malformed, match="no operator 'like'"):
            sql_of(kind, "like", "1", "key")
        for operator in operators:
            value = "2024-01-01T00:00:00Z" if kind == "time" else "1"
            assert sql_of(kind, operator, value, "key")[0]


def test_what_cannot_be_filtered_is_refused_by_name() -> None:
    statement = Statement({}, {})
    with pytest.raises(Malformed, match="unknown field 'x'"):
        apply([Filter("x", "=", "1")], {}, statement)
    with pytest.raises(Malformed, match="needs a key"):
        sql_of("score", ">", "1")
    with pytest.raises(Malformed, match="with a number, not with 'many'"):
        sql_of("number", ">", "many")
    with pytest.raises(Malformed, match=f"at most {FILTERS_MAX}"):
        apply([Filter("f", "=", "1")] * (FILTERS_MAX + 1), {"f": column("exact", "f")}, statement)


def test_filters_are_read_as_the_sdks_send_them() -> None:
    typed = b'{"field":"duration","operator":">","value":0.5,"type":"number","key":null}'
    sent = b"[" + typed + b',{"field":"n","operator":"=","value":5}]'

    assert [given.text for given in decode(sent)] == ["0.5", "5"]
    for wrong in (b"{}", b"[1]", b'[{"field":"x"}]', b"["):
        with pytest.raises(Malformed, match="filters"):
            decode(wrong)


def test_a_search_looks_into_each_field() -> None:
    statement = Statement({}, {})

    condition = contains("x", [column("text", "a"), column("text", "b")], statement)

    assert condition.count("position(") == 2
    assert " OR " in condition
