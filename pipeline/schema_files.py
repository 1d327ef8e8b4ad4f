"""Where the files of `schemas/` lie: in the package when it was installed, beside it in a checkout."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from pipeline.errors import SchemaMismatch

_INSTALLED: Final = files("pipeline") / "schemas"
_CHECKOUT: Final = Path(__file__).parent.parent / "schemas"


def schema_files(folder: str, suffix: str) -> list[Traversable]:
    """Return the files of `schemas/<folder>` whose names end with `suffix`, in the order of their names.

    Raises SchemaMismatch where there are none, which a broken installation shows.
    """
    root: Traversable = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    place = root / folder
    found = [file for file in place.iterdir() if file.name.endswith(suffix)] if place.is_dir() else []
    if not found:
        raise SchemaMismatch(f"no *{suffix} in {place}: the installation is incomplete")
    return sorted(found, key=lambda file: file.name)
