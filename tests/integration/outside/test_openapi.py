"""Strange requests, made by Schemathesis from our own OpenAPI document, find no fault of ours."""

import asyncio
import json
from pathlib import Path

import pytest

from pipeline.local.stack import Stack
from tests.support.client_env import locked_python

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUIREMENTS = Path(__file__).parent / "schemathesis" / "requirements.txt"
CASES_MAX = 10  # of each operation: some 20 s in all


async def test_no_request_that_our_document_allows_or_forbids_is_answered_5xx(stack: Stack, tmp_path: Path) -> None:
    python = await asyncio.to_thread(locked_python, REQUIREMENTS)
    report = tmp_path / "report.json"
    process = await asyncio.create_subprocess_exec(
        str(python),
        "-m",
        "schemathesis.cli",
        "run",
        f"{stack.base_url}/openapi.json",
        "--phases=fuzzing",
        "--checks=not_a_server_error",
        f"--max-examples={CASES_MAX}",
        "--workers=2",
        "--generation-database=none",
        "--report=json",
        f"--report-json-path={report}",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()

    assert process.returncode == 0, printed.decode()
    told = json.loads(report.read_text())
    operations, cases = told["operations"], told["test_cases"]
    assert operations["tested"] == operations["total"] > 50
    assert cases["generated"] > CASES_MAX * operations["total"] // 2
    assert (cases["with_failures"], cases["errored"]) == (0, 0)
