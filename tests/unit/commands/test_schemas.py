from pathlib import Path

from pipeline.commands import schemas
from pipeline.events.json_schemas import documents


def test_every_schema_is_written_into_a_folder_that_need_not_exist(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "events"
    written = schemas.run(folder)

    assert {path.name: path.read_bytes() for path in written} == documents()
    assert sorted(folder.iterdir()) == sorted(written)


def test_a_second_run_writes_the_same(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in schemas.run(tmp_path)}

    assert {path: path.read_bytes() for path in schemas.run(tmp_path)} == first
