from pathlib import Path

from importlinter import api
from importlinter.application.use_cases import SUCCESS, lint_imports


def test_imports_keep_every_contract(root: Path) -> None:
    api.read_configuration(config_filename=str(root / "pyproject.toml"))

    assert lint_imports(config_filename=str(root / "pyproject.toml"), verbose=False) == SUCCESS
