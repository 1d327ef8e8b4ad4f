"""structlog without rich, a fifth of all that a stage imports.

structlog imports rich wherever it is installed, to print tracebacks in a form that we never ask for (logs.py says why).
A name that `sys.modules` holds as None cannot be imported (the import system, "The module cache"), and structlog goes
on without it. Commands that draw with rich themselves import it as ever.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let imports of a module fail that nobody has imported yet."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _without("rich"):
    import structlog

__all__ = ["structlog"]
