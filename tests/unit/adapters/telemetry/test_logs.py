import asyncio
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from pipeline.adapters.telemetry import logs
from pipeline.settings import OperationSettings


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, package = logging.getLogger(), logging.getLogger("pipeline")
    before = (root.handlers, root.level, package.level)
    yield
    root.handlers, root.level, package.level = before
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def configure(**settings: str) -> None:
    logs.configure(OperationSettings(**settings), stage="sinks")  # type: ignore[arg-type]


def test_before_it_is_configured_nothing_is_said_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    logs.keep_off_stdout()
    logs.logger("pipeline.query.reader").warning("slow query", rows=3)
    said = capsys.readouterr()

    assert "slow query" in said.err
    assert said.out == ""


def test_a_line_is_json_with_its_time_level_module_and_stage(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logs.logger("pipeline.sinks.loop").info("stored", rows=3, topic="traces")
    [line] = lines(capsys)

    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "stored", "level": "info", "logger": "pipeline.sinks.loop", "stage": "sinks", "rows": 3,
        "topic": "traces",
    }  # fmt: skip


def test_a_library_speaks_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("aiokafka").warning("node %s is away", 3)
    [line] = lines(capsys)

    assert (line["event"], line["level"], line["logger"], line["stage"]) == (
        "node 3 is away", "warning", "aiokafka", "sinks",
    )  # fmt: skip


def test_lines_of_other_os_threads_tell_their_stage_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    executor = threading.Thread(target=logging.getLogger("chdb").warning, args=("from outside",))
    executor.start()
    executor.join()

    assert [line["stage"] for line in lines(capsys)] == ["sinks"]


async def test_what_a_task_binds_stands_on_its_lines_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure()

    async def work(request: str) -> None:
        with structlog.contextvars.bound_contextvars(request=request):
            await asyncio.sleep(0)
            logs.logger("pipeline").info("asked")

    await asyncio.gather(work("a"), work("b"))
    logs.logger("pipeline").info("done")

    assert [line.get("request") for line in lines(capsys)] == ["a", "b", None]


@pytest.mark.parametrize("name", ["pipeline.sinks", "aiokafka"])
def test_a_traceback_is_part_of_one_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    configure()
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        logging.getLogger(name).exception("no")
    [line] = lines(capsys)

    assert "ZeroDivisionError" in str(line["exception"])


def test_what_json_does_not_know_is_still_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logs.logger("pipeline").info("odd", value=b"\xff", other={1, 2})

    assert len(lines(capsys)) == 1


@pytest.mark.parametrize(
    ("level", "ours", "of_libraries"),
    [
        ("debug", ["debug", "info", "warning"], ["debug", "info", "warning"]),
        ("INFO", ["info", "warning"], ["warning"]),
        ("warning", ["warning"], ["warning"]),
        ("error", [], []),
    ],
)
def test_libraries_are_heard_from_warnings_on(
    capsys: pytest.CaptureFixture[str], level: str, ours: list[str], of_libraries: list[str]
) -> None:
    configure(log_level=level)
    for logger in (logs.logger("pipeline.sinks"), logging.getLogger("aiokafka")):
        logger.debug("x")
        logger.info("x")
        logger.warning("x")

    assert [line["level"] for line in lines(capsys)] == ours + of_libraries


def test_a_console_never_shows_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure(log_format="console")
    words = "open sesame"
    try:
        _ = len(words) // 0
    except ZeroDivisionError:
        logs.logger("pipeline").exception("no")
    written = capsys.readouterr().out

    assert "ZeroDivisionError" in written
    assert "sesame" not in written
