import shutil
from pathlib import Path

import pytest

from pipeline.commands.bench import peers
from pipeline.commands.bench.peers import ensure_environment
from pipeline.errors import FatalError


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_an_environment_that_is_complete_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "complete").touch()

    assert await ensure_environment(tmp_path) == tmp_path / "bin" / "python"
    assert names_in(tmp_path) == ["complete"]


async def test_one_that_cannot_be_filled_is_a_failure_and_is_not_called_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_REQUIREMENTS", ("./no-such-folder",))
    folder = tmp_path / "environment"

    with pytest.raises(FatalError, match="pip install"):
        await ensure_environment(folder)

    assert not (folder / "complete").exists()
    shutil.rmtree(folder)
