import pytest

from pipeline.errors import SchemaMismatch
from pipeline.schema_files import schema_files


def test_files_come_in_the_order_of_their_names() -> None:
    names = [file.name for file in schema_files("clickhouse", ".sql")]

    assert names == sorted(names)
    assert names[0] == "0001_traces.sql"


@pytest.mark.parametrize(("folder", "suffix"), [("nowhere", ".sql"), ("clickhouse", ".txt")])
def test_an_incomplete_installation_is_named(folder: str, suffix: str) -> None:
    with pytest.raises(SchemaMismatch, match="the installation is incomplete"):
        schema_files(folder, suffix)
