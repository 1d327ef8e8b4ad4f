from pathlib import Path

from importlinter import api
from importlinter.application.use_cases import SUCCESS, lint_imports


def test_imports_keep_every_contract(root: Path) -> None:
    api.read_configuration(config_filename=str(root / "pyproject.toml"))

    assert lint_imports(config_filename=str(root / "pyproject.toml"), verbose=False) == SUCCESS


def test_every_client_of_kafka_connects_in_the_one_way_that_the_settings_name(root: Path) -> None:
    one_way = root / "pipeline" / "adapters" / "kafka" / "connection.py"
    apart = [path for path in (root / "pipeline").rglob("*.py") if "bootstrap_servers=" in path.read_text()]

    assert [path for path in apart if path != one_way] == []
