import ast
import re
from collections.abc import Iterator
from pathlib import Path

BANNED_WORDS = re.compile(r"(^|_)(utils?|helpers?|manager|processor|cfg|ctx|msg)(_|$)")
BANNED_NAMES = {"data", "info", "obj", "timestamp", "tmp", "foo", "common"}
FIXED_OUTSIDE = {
    ("pipeline/stream", "timestamp"),  # the name of a Kafka record's field
    ("pipeline/adapters/kafka", "timestamp"),
    ("pipeline/sinks", "timestamp"),
    ("pipeline/local/conversations.py", "timestamp"),  # of a field of the dataset
}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


def is_banned(path: Path, name: str) -> bool:
    plain = snake(name).strip("_")
    if any(str(path).startswith(folder) and plain == allowed for folder, allowed in FIXED_OUTSIDE):
        return False
    return plain in BANNED_NAMES or bool(BANNED_WORDS.search(plain)) or plain.startswith("do_")


def test_no_name_is_one_that_says_nothing(trees: dict[Path, ast.Module]) -> None:
    found = [
        f"{path}:{line} {name}" for path, tree in trees.items() for name, line in names(tree) if is_banned(path, name)
    ]

    assert found == []


def test_no_module_is_named_by_what_says_nothing(sources: dict[Path, str]) -> None:
    assert [str(path) for path in sources if is_banned(path, path.stem) and path.stem != "__init__"] == []
