"""The log lines of many processes as one readable console."""

import json
from typing import Any, Final

_COLOURS: Final = {"kafka": 35, "clickhouse": 33, "migrate": 36, "serve": 34, "worker": 32, "sink": 36, "sample": 35}
_LEVELS: Final = {"warning": 33, "error": 31, "critical": 31}
_NAME_WIDTH: Final = 10
_HIDDEN: Final = frozenset({"event", "level", "logger", "stage", "timestamp", "exception"})


def line_of(name: str, line: str, *, colours: bool) -> str:
    """Return one line of the process `name`, its JSON log turned into words; other lines stand as they are."""
    prefix = _paint(f"{name:<{_NAME_WIDTH}}", _COLOURS.get(name, 37), colours=colours)
    record = _record(line)
    if record is None:
        return f"{prefix} {line}"
    clock = str(record.get("timestamp", ""))[11:19]
    level = str(record.get("level", ""))
    words = _paint(str(record["event"]), _LEVELS.get(level, 0), colours=colours)
    fields = " ".join(f"{key}={_short(value)}" for key, value in record.items() if key not in _HIDDEN)
    exception = f"\n{record['exception']}" if "exception" in record else ""
    return f"{prefix} {clock} {words}  {_paint(fields, 2, colours=colours)}".rstrip() + exception


def is_ready(line: str) -> bool:
    """Tell whether a line is a stage's word that it takes work."""
    record = _record(line)
    return record is not None and record["event"] == "ready"


def _record(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and "event" in record else None


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _paint(text: str, colour: int, *, colours: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colours and colour and text else text
