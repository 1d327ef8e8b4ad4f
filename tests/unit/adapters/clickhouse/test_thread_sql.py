from pipeline.adapters.clickhouse.thread_sql import COLUMNS, folded, model_sql


def test_every_column_of_a_thread_is_folded_under_its_name() -> None:
    terms = folded().split(",\n        ")

    assert [term.rpartition(" AS ")[2] for term in terms] == list(COLUMNS)
    assert terms[0] == "count() AS traces"


def test_a_condition_holds_for_every_column() -> None:
    terms = folded("is_there").split(",\n        ")

    assert len(terms) == len(COLUMNS)
    for term in terms:
        assert term.partition("(")[0].endswith("If"), term
        assert term.rpartition(" AS ")[0].endswith("is_there)"), term


def test_the_model_id_is_computed_from_the_project_that_is_named() -> None:
    assert "replaceAll(toString(project_id), '-', '')" in model_sql("toString(project_id)")
