import re

import pytest

from pipeline.adapters.clickhouse.cluster import PASSING
from pipeline.adapters.clickhouse.migrations import Migration, check_form, declared, pending
from pipeline.adapters.clickhouse.statements import split_statements
from pipeline.errors import SchemaMismatch

ONE, TWO = Migration(1, "0001_one.sql", "SELECT 1"), Migration(2, "0002_two.sql", "SELECT 2")


def as_applied(*migrations: Migration) -> dict[int, tuple[str, str]]:
    return {one.number: (one.name, one.checksum) for one in migrations}


def test_what_was_not_applied_is_pending_in_order() -> None:
    assert pending([TWO, ONE], {}) == [ONE, TWO]
    assert pending([ONE, TWO], as_applied(ONE)) == [TWO]
    assert pending([ONE, TWO], as_applied(ONE, TWO)) == []


def test_a_file_that_was_changed_after_it_was_applied_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"0001_one\.sql was changed"):
        pending([ONE], {1: ("0001_one.sql", "another checksum")})


def test_a_newer_database_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"0002_two\.sql, which this version does not know"):
        pending([ONE], as_applied(ONE, TWO))


def test_a_database_of_one_node_is_not_taken_for_one_of_a_cluster() -> None:
    check_form("ReplacingMergeTree", "")
    check_form("ReplicatedReplacingMergeTree", "main")
    with pytest.raises(SchemaMismatch, match="made for one node"):
        check_form("ReplacingMergeTree", "main")
    with pytest.raises(SchemaMismatch, match="made for a cluster"):
        check_form("ReplicatedReplacingMergeTree", "")


def test_every_declared_file_holds_statements_that_may_run_twice() -> None:
    statements = [statement for migration in declared() for statement in split_statements(migration.sql)]

    assert len(statements) >= len(declared()) > 0
    repeatable = ("IF NOT EXISTS", "IF EXISTS", "COMMENT COLUMN", "MODIFY SETTING", "MODIFY QUERY", "MODIFY COLUMN")
    # What is inserted twice collapses where the engine keeps one row a key, or maxima.
    created = [re.search(r"EXISTS (\w+)\s.*ENGINE = (?:Replacing|Aggregating)", one, re.DOTALL) for one in statements]
    tables = [found[1] for found in created if found]
    fills = tuple(f"INSERT INTO {table}" for table in (*tables, *PASSING))  # these pass it on to such tables
    assert [one for one in statements if not any(word in one for word in (*repeatable, *fills))] == []
