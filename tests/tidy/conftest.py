"""The house rules: what can be checked of the code without running it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def sources() -> dict[Path, str]:
    """Every module of the package by its path relative to the repository."""
    return {path.relative_to(ROOT): path.read_text() for path in sorted((ROOT / "pipeline").rglob("*.py"))}


@pytest.fixture(scope="session")
def trees(sources: dict[Path, str]) -> dict[Path, ast.Module]:
    return {path: ast.parse(text) for path, text in sources.items()}
