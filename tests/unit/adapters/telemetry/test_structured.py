import subprocess
import sys

STRUCTURED = "pipeline.adapters.telemetry.structured"


def run(program: str) -> str:
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return printed.strip()


def test_no_stage_imports_rich() -> None:
    stages = ", ".join(f"pipeline.commands.{stage}" for stage in ("serve", "worker", "evaluate", "sink"))

    assert run(f"import sys, pipeline.cli, {stages}; print('rich' in sys.modules)") == "False"


def test_rich_is_there_for_whoever_asks_for_it() -> None:
    assert run(f"import {STRUCTURED}, rich.console; print(rich.console.__name__)") == "rich.console"


def test_what_was_imported_before_stays() -> None:
    assert run(f"import rich, sys, {STRUCTURED}; print(sys.modules['rich'] is rich)") == "True"
