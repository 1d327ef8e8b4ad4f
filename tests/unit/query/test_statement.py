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


def test_parts_that_nothing_says_stay_out() -> None:
    parts = {"a": "SELECT 1 AS x", "b": "SELECT x FROM a", "c": "SELECT x FROM b", "ab": "SELECT 2 AS x"}

    assert (
        Statement(parts, {}).text("SELECT x FROM b").startswith("WITH a AS (SELECT 1 AS x),\nb AS (SELECT x FROM a)\n")
    )
    assert Statement(parts, {}).text("SELECT x FROM ab").startswith("WITH ab AS (SELECT 2 AS x)\nSELECT")
    assert Statement(parts, {}).text("SELECT 1").startswith("SELECT 1\nWHERE")
    in_a_condition = Statement(parts, {}).where("x IN (SELECT x FROM a)").text("SELECT 1 AS x")
    assert in_a_condition.startswith("WITH a AS (SELECT 1 AS x)\nSELECT 1")


def test_a_statement_knows_which_names_its_conditions_say() -> None:
    statement = Statement({}, {}).where("lowerUTF8(status) = 'x'")

    assert statement.mentions({"status"})
    assert not statement.mentions({"tags", "stat"})
    assert statement.mentions({"tags"}, "ORDER BY tags")


def test_what_was_chosen_becomes_a_part() -> None:
    statement = Statement({"a": "SELECT 1 AS x"}, {}).where("x > 0").choose("matching", "a")

    assert "matching AS (SELECT * FROM a WHERE (x > 0))" in statement.text("SELECT * FROM matching")
    assert statement.text("SELECT * FROM matching").endswith("WHERE 1\n")


def test_a_scope_names_its_threads() -> None:
    scope = Scope("w", UUID(int=1))

    assert scope.thread("t") == ("w", UUID(int=1), "t")
    assert scope.parameters(more=1) == {"workspace": "w", "project_id": str(UUID(int=1)), "more": 1}


def test_a_part_that_is_added_may_be_made_of_one_that_was_chosen() -> None:
    statement = Statement({"a": "SELECT 1 AS x"}, {}).choose("matching", "a")
    statement.add({"doubled": "SELECT x * 2 AS y FROM matching"})

    text = statement.text("SELECT * FROM doubled")

    assert text.index("matching AS") < text.index("doubled AS")
