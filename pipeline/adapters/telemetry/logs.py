"""Structured logs to stdout: one line of JSON an event, or coloured text on a console."""

import logging
import sys
from typing import Any

from pipeline.adapters.telemetry.structured import structlog
from pipeline.settings import OperationSettings


def configure(settings: OperationSettings, *, stage: str) -> None:
    """Send our log and that of every library to stdout, each line with `stage`."""

    def add_stage(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        # Not a context variable: libraries log from OS threads of their own, which do not inherit one.
        return {**event, "stage": stage}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_stage,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    console = settings.log_format == "console"
    render: structlog.typing.Processor = (
        # Plain, since the other formatters print local variables, and with them what users wrote.
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not console:
        last.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*last, render]),
    )
    level = settings.log_level.upper()
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries speak of their own workings at INFO; what an operator must know they say at WARNING.
    root.setLevel(level if level == "DEBUG" else max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("pipeline").setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def keep_off_stdout() -> None:
    """Say on stderr whatever is said before `configure`: the stdout of a command is its result."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; pass `__name__`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
