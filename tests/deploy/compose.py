"""deploy/compose.yaml as it is read, with every variable at its default."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def interpolated(value: Any) -> str:
    """Return the text with each `${NAME:-default}` as its default, and each required one as its own name."""
    return _VARIABLE.sub(lambda found: found[3] if found[2] == "-" else found[1], str(value))


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    return {name: interpolated(value) for name, value in service.get("environment", {}).items()}
