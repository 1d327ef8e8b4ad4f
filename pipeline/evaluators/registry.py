"""Evaluators by name: ours, and those that installed packages bring."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Final

from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import Malformed
from pipeline.evaluators.evaluator import Evaluator

GROUP: Final = "threadline.evaluators"
"""The entry points under which packages name theirs."""

Builder = Callable[[Mapping[str, Any]], Evaluator]
"""Makes an evaluator from the parameters of a rule; raises Malformed where they cannot be."""

_LOG: Final = logger(__name__)


class Registry:
    """Builds evaluators by name; of two of one name ours counts."""

    def __init__(self, builders: Mapping[str, Builder]) -> None:
        self._builders: Final = dict(builders)

    @classmethod
    def with_installed(cls, ours: Mapping[str, Builder]) -> "Registry":
        """Return a registry of `ours` and those of installed packages; one that cannot be loaded is left out."""
        builders: dict[str, Builder] = {}
        for entry in entry_points(group=GROUP):
            try:
                builders[entry.name] = entry.load()
            except Exception as error:  # noqa: BLE001 - code of others; a rule that asks for it says so again
                _LOG.error("an evaluator cannot be loaded", evaluator=entry.name, reason=repr(error))
        return cls({**builders, **ours})

    def build(self, name: str, parameters: Mapping[str, Any]) -> Evaluator:
        """Return an evaluator; raises Malformed where there is none of that name or its parameters are wrong."""
        builder = self._builders.get(name)
        if builder is None:
            raise Malformed(f"no evaluator {name[:100]!r}; known are {', '.join(sorted(self._builders))}")
        try:
            return builder(parameters)
        except Malformed as error:
            raise Malformed(f"evaluator {name}: {error.reason}", field=error.field) from error
