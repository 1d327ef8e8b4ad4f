import re
from pathlib import Path

import pytest

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
MACHINE_PATH = re.compile(r"/(work|root|home)/[a-z]")
SLEEPING_TEST = re.compile(r"(time\.sleep\(|asyncio\.sleep\([1-9])(?!.*# polls: )")
SKIPPED_TEST = re.compile(r"pytest\.mark\.(skip|xfail)\b|assert True$")
THIS = Path(__file__).name


def files(root: Path, *patterns: str) -> list[Path]:
    found = [path for pattern in patterns for path in root.glob(pattern)]
    return [
        path
        for path in found
        if path.name != THIS and not {".cache", ".png"} & {*path.parts, path.suffix} and path.is_file()
    ]


@pytest.mark.parametrize(
    ("pattern", "where"),
    [
        pytest.param(
            UNFINISHED, ("pipeline/**/*.py", "tests/**/*.py", "deploy/**/*", "helm/**/*"), id="unfinished work"
        ),
        pytest.param(MACHINE_PATH, ("pipeline/**/*.py", "tests/**/*.py", "Makefile", "README.md"), id="machine paths"),
        pytest.param(SLEEPING_TEST, ("tests/**/*.py",), id="tests that sleep"),
        pytest.param(SKIPPED_TEST, ("tests/**/*.py",), id="tests that cannot fail"),
    ],
)
def test_there_is_none_of(pattern: re.Pattern[str], where: tuple[str, ...], root: Path) -> None:
    found = [
        f"{path.relative_to(root)}:{number} {line.strip()}"
        for path in files(root, *where)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []
