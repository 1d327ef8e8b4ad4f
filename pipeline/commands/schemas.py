"""`threadline schemas`: write the JSON Schemas of the events into a folder."""

from pathlib import Path

from pipeline.events.json_schemas import documents


def run(folder: Path) -> list[Path]:
    """Write every schema and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, document in documents().items():
        path = folder / name
        path.write_bytes(document)
        written.append(path)
    return written
