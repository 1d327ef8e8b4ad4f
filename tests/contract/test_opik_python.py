import json
from pathlib import Path

import pytest

from tests.support.client_env import locked_python, run_client
from tests.support.running import RunningStack

HERE = Path(__file__).parent
TIMEOUT_SECONDS = 20  # within it the thread must be seen active, on a machine that does other things too
LATE_SECONDS_MAX = 120  # on an idle machine it is below 2


@pytest.fixture(scope="module")
def opik_python() -> Path:
    return locked_python(HERE / "clients" / "requirements.txt")


def test_the_real_client_sees_its_thread_active_then_inactive_and_reads_the_conversation(
    opik_python: Path, tmp_path: Path
) -> None:
    bounds = str(TIMEOUT_SECONDS), str(LATE_SECONDS_MAX)
    with RunningStack(tmp_path, "--thread-timeout", f"{TIMEOUT_SECONDS}s") as stack:
        printed = run_client(opik_python, HERE / "opik" / "first_conversation.py", *bounds, base_url=stack.base_url)

    seen = json.loads(printed.splitlines()[-1])
    assert seen["inactive_after"] >= TIMEOUT_SECONDS - 0.5
    assert (seen["input"], seen["output"]) == ("What is Opik?", "Opik is an Open Source GenAI platform")
    assert (seen["first_message"], seen["last_message"]) == (seen["input"], seen["output"])
    assert seen["messages"] == 2
