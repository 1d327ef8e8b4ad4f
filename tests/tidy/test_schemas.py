from pathlib import Path

from pipeline.events.json_schemas import documents


def test_the_schema_files_are_what_the_definitions_say(root: Path) -> None:
    folder = root / "schemas" / "events"

    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == documents(), (
        "run: .venv/bin/threadline schemas schemas/events"
    )


def test_migrations_are_numbered_without_a_hole(root: Path) -> None:
    numbers = [int(path.name[:4]) for path in sorted((root / "schemas" / "clickhouse").glob("*.sql"))]

    assert numbers == list(range(1, len(numbers) + 1))
