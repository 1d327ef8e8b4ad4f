from uuid import UUID

from pipeline.query.statement import Scope, Statement


def test_a_statement_is_its_parts_its_conditions_and_the_values_it_names() -> None:
    statement = Statement({"a": "SELECT {given:String} AS x", "b": "SELECT * FROM a"}, {"given": 1, "unused": 2})
    statement.where(f"x = {statement.bind('v', 'String')}", "1 OR 0")

    sql = statement.text("SELECT x FROM b", "LIMIT 1")

    assert sql == (
        "WITH a AS (SELECT {given:String} AS x),\nb AS (SELECT * FROM a)\n"
        "SELECT x FROM b\nWHERE (x = {value_2:String}) AND (1 OR 0)\nLIMIT 1"
    )
    assert statement.parameters(sql) == {"given": 1, "value_2": "v"}


def test_what_was_chosen_becomes_a_part() -> None:
    statement = Statement({"a": "SELECT 1 AS x"}, {}).where("x > 0").choose("matching", "a")

    assert "matching AS (SELECT * FROM a WHERE (x > 0))" in statement.text("SELECT * FROM matching")
    assert statement.text("SELECT * FROM matching").endswith("WHERE 1\n")


def test_a_scope_names_its_threads() -> None:
    scope = Scope("w", UUID(int=1))

    assert scope.thread("t") == ("w", UUID(int=1), "t")
    assert scope.parameters(more=1) == {"workspace": "w", "project_id": str(UUID(int=1)), "more": 1}
