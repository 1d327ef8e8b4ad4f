"""`threadline export` as a person runs it: files of each form, filters, what is refused."""

import csv
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import Malformed, Unknown
from tests.support.clickhouse import migrated
from tests.support.command import run_command, run_here
from tests.support.flaky_door import FlakyDoor
from tests.support.stored import Log


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Mapping[str, str]]:
    log = Log("default")
    for number in range(30):
        log.trace(f"user-session-{number % 3}" if number % 2 else f"t-{number % 3}", input=f"q{number}", output=number)
    async with migrated(tmp_path / "storage") as (process, client):
        await log.store(client)
        yield {"THREADLINE_CLICKHOUSE_PORT": str(process.settings.port)}


def parts(folder: Path) -> list[Path]:
    return list(folder.glob("*.part"))


async def test_conversations_are_exported_in_every_form(stored: Mapping[str, str], tmp_path: Path) -> None:
    wanted = ("export", "--project", "Support", "--filter", 'thread_id contains "user-session"')
    files = {form: tmp_path / f"out.{form}" for form in ("jsonl", "csv", "parquet")}

    for form, file in files.items():
        done = await run_here(stored, *wanted, "--format", form, "--output", str(file))
        assert done.exit_code == 0, done.output
        assert "3 conversations, 15 traces" in done.stderr.replace("\n", " ")
    to_stdout = await run_here(stored, *wanted)

    lines = [json.loads(line) for line in files["jsonl"].read_text().splitlines()]
    assert {line["id"] for line in lines} == {f"user-session-{number}" for number in range(3)}
    said = [(line["id"], trace["id"], trace["input"]) for line in lines for trace in line["traces"]]
    with files["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["thread_id"], row["trace_id"], json.loads(row["input"])) for row in rows] == said
    table = pq.read_table(files["parquet"]).to_pylist()
    assert [(row["thread_id"], row["trace_id"], json.loads(row["input"])) for row in table] == said
    assert to_stdout.stdout == files["jsonl"].read_text()
    assert not parts(tmp_path)


async def test_what_cannot_be_exported_is_said_and_leaves_no_file(stored: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"

    unknown = await run_here(stored, "export", "--project", "Suport", "--output", str(file))
    wrong = await run_here(stored, "export", "--project", "Support", "--filter", 'colour = "x"', "--output", str(file))
    exit_code, said = await run_command(stored, "export", "--project", "Support", "--output", "/no/such/place/out")

    assert isinstance(unknown.exception, Unknown)
    assert "'Suport'" in str(unknown.exception)
    assert isinstance(wrong.exception, Malformed)
    assert (exit_code, "cannot write /no/such/place/out" in said) == (1, True)
    assert not file.exists()
    assert not parts(tmp_path)


async def test_an_export_outlives_a_storage_that_is_lost_and_ends_clearly_when_it_stays_lost(
    stored: Mapping[str, str], tmp_path: Path
) -> None:
    wanted = ("export", "--project", "Support", "--output")
    door = FlakyDoor(int(stored["THREADLINE_CLICKHOUSE_PORT"]))
    await door.start()
    through = {"THREADLINE_CLICKHOUSE_PORT": str(door.port)}
    impatient = through | {"THREADLINE_QUERY_EXPORT_PATIENCE_SECONDS": "0.3"}
    kept = tmp_path / "kept.jsonl"
    kept.write_text("of yesterday")

    whole = await run_here(stored, *wanted, str(tmp_path / "whole.jsonl"))
    door.cut_every = 7
    resumed = await run_here(through, *wanted, str(tmp_path / "resumed.jsonl"))
    door.cut_every = 1
    exit_code, said = await run_command(impatient, *wanted, str(kept))
    await door.stop()

    assert (whole.exit_code, resumed.exit_code, exit_code) == (0, 0, 1)
    assert "storage does not answer, trying on" in resumed.stderr.replace("\n", " ")
    assert (tmp_path / "resumed.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert "storage has not answered for 0.3 s, so this was given up" in said
    assert kept.read_text() == "of yesterday"
    assert not parts(tmp_path)
