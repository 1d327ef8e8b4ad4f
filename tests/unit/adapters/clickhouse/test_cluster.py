import re

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.cluster import EVERYWHERE, SHARDED_BY, named, of_every_node, rendered, stored
from pipeline.adapters.clickhouse.migrations import declared, statements_of
from pipeline.adapters.clickhouse.statements import split_statements
from pipeline.errors import SchemaMismatch
from pipeline.settings import ClickHouseSettings

CREATED = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+).*\bORDER BY (?:\((.*?)\)\n|(\w+))", re.DOTALL)
SORTING_KEYS = {
    found[1]: found[2] or found[3]
    for migration in declared()
    for statement in split_statements(migration.sql)
    if (found := CREATED.match(statement + "\n"))
}


def test_one_node_gets_what_the_files_say() -> None:
    for migration in declared():
        assert list(statements_of(migration, "")) == list(split_statements(migration.sql))
    assert stored("traces", "") == "traces"
    assert "insert_quorum" not in ClickHouse(ClickHouseSettings())._query_settings


def test_what_each_node_tells_of_itself_is_asked_of_all() -> None:
    assert of_every_node("system.parts", "") == "system.parts"
    assert of_every_node("system.parts", "main") == "clusterAllReplicas('main', system.parts)"


def test_every_table_says_by_what_it_is_sharded_and_versions_of_a_row_meet_in_one_shard() -> None:
    assert SORTING_KEYS.keys() == SHARDED_BY.keys() | EVERYWHERE - {"schema_migrations"}
    for table, hashed in SHARDED_BY.items():
        columns = set(re.findall(r"\b[a-z_]+\b(?!\()", hashed.replace("''", "")))
        key = set(re.findall(r"\b[a-z_]+\b", SORTING_KEYS[table]))
        assert columns <= key, table


def test_a_table_is_replicated_under_a_name_of_its_shard_and_read_under_its_own() -> None:
    columns = "(\n    id UUID\n)"
    sql = f"CREATE TABLE IF NOT EXISTS spans\n{columns}\nENGINE = ReplacingMergeTree(events, is_deleted)\nORDER BY id"

    local, distributed = rendered(sql, "main")

    assert local.startswith("CREATE TABLE IF NOT EXISTS spans_local ON CLUSTER 'main'\n(\n    id UUID")
    engine = "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', events, is_deleted)"
    assert f"ENGINE = {engine}\nORDER BY id" in local
    assert distributed == (
        "CREATE TABLE IF NOT EXISTS spans ON CLUSTER 'main' AS spans_local "
        "ENGINE = Distributed('main', currentDatabase(), spans_local, cityHash64(workspace, trace_id))"
    )


def test_the_twin_of_a_table_is_replicated_and_sharded_as_that_is() -> None:
    here, distributed = rendered("CREATE TABLE IF NOT EXISTS expiring_spans AS spans", "main")

    assert here == "CREATE TABLE IF NOT EXISTS expiring_spans_local ON CLUSTER 'main' AS spans_local"
    assert distributed == (
        "CREATE TABLE IF NOT EXISTS expiring_spans ON CLUSTER 'main' AS expiring_spans_local "
        "ENGINE = Distributed('main', currentDatabase(), expiring_spans_local, cityHash64(workspace, trace_id))"
    )


def test_a_second_table_is_named_with_its_database() -> None:
    assert named("spans", "", "ours") == "`ours`.spans"
    assert named("spans", "main", "ours") == "`ours`.spans_local"
    assert ClickHouse(ClickHouseSettings(cluster="main")).named("spans") == "`threadline`.spans_local"


def test_a_view_reads_its_shard_and_writes_to_all() -> None:
    sql = "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO projects AS\nSELECT 1 FROM trace_events"

    assert list(rendered(sql, "main")) == [
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER 'main' TO projects AS\nSELECT 1 FROM trace_events_local"
    ]


def test_a_table_that_keeps_nothing_is_on_every_node_and_what_its_views_take_goes_to_all() -> None:
    created = "CREATE TABLE IF NOT EXISTS folded_threads\n(\n    thread_id String\n)\nENGINE = Null"
    view = "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO threads AS\nSELECT 1 FROM folded_threads"

    assert list(rendered(created, "main")) == [
        "CREATE TABLE IF NOT EXISTS folded_threads ON CLUSTER 'main'\n(\n    thread_id String\n)\nENGINE = Null"
    ]
    assert next(rendered(view, "main")).endswith("TO threads AS\nSELECT 1 FROM folded_threads")


def test_what_a_view_selects_is_changed_where_the_view_is() -> None:
    assert list(rendered("ALTER TABLE v MODIFY QUERY\nSELECT id FROM traces", "main")) == [
        "ALTER TABLE v ON CLUSTER 'main' MODIFY QUERY\nSELECT id FROM traces_local"
    ]


def test_columns_are_changed_in_both_tables_and_everything_else_where_the_rows_are() -> None:
    added = list(rendered("ALTER TABLE spans ADD COLUMN IF NOT EXISTS mood String", "main"))
    indexed = list(rendered("ALTER TABLE spans MATERIALIZE INDEX IF EXISTS by_kind", "main"))

    assert [one.partition(" ADD")[0] for one in added] == [
        "ALTER TABLE spans_local ON CLUSTER 'main'", "ALTER TABLE spans ON CLUSTER 'main'",
    ]  # fmt: skip
    assert indexed == ["ALTER TABLE spans_local ON CLUSTER 'main' MATERIALIZE INDEX IF EXISTS by_kind"]


def test_what_has_no_form_for_a_cluster_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="no form for a cluster of: OPTIMIZE"):
        list(rendered("OPTIMIZE TABLE spans", "main"))
    with pytest.raises(SchemaMismatch, match="nothing says by what novel is sharded"):
        list(rendered("CREATE TABLE IF NOT EXISTS novel (id UUID) ENGINE = MergeTree ORDER BY id", "main"))
