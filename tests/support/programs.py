"""The examples in deploy, run as a person runs them."""

import asyncio
import os
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


async def run_program(*argv: str, **environment: str) -> str:
    """Run a program to its end and return the line that it prints."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return printed.decode().strip()
