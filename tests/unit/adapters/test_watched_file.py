from pathlib import Path

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.telemetry.metrics import GATEWAY_FILE_RELOADS
from pipeline.adapters.watched_file import LOOK_SECONDS, WatchedFile
from pipeline.errors import InvalidSettings


def number(content: bytes) -> int:
    try:
        return int(content)
    except ValueError as error:
        raise InvalidSettings("not a number") from error


def watched(path: Path) -> tuple[WatchedFile[int], ManualClock]:
    clock = ManualClock()
    return WatchedFile("keys", path, number, clock), clock


def reloads(outcome: str) -> float:
    return GATEWAY_FILE_RELOADS.labels("keys", outcome)._value.get()


def test_a_change_counts_at_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text("1")
    file, clock = watched(path)
    path.write_text("22")

    assert file.content() == 1
    clock.advance(LOOK_SECONDS)
    assert file.content() == 22


def test_the_turned_link_of_a_kubernetes_mount_is_a_change(tmp_path: Path) -> None:
    for name, text in (("..v1", "1"), ("..v2", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "number").write_text(text)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "number").symlink_to("..data/number")
    file, clock = watched(tmp_path / "number")

    (tmp_path / "..next").symlink_to("..v2")
    (tmp_path / "..next").replace(tmp_path / "..data")
    clock.advance(LOOK_SECONDS)

    assert file.content() == 2


@pytest.mark.parametrize("change", ["no number", None])
def test_what_cannot_be_read_is_counted_and_the_old_content_goes_on(tmp_path: Path, change: str | None) -> None:
    path = tmp_path / "number"
    path.write_text("1")
    file, clock = watched(path)
    before = reloads("failed")
    path.write_text(change) if change else path.unlink()
    clock.advance(LOOK_SECONDS)

    assert file.content() == 1
    assert reloads("failed") == before + 1
    path.write_text("333")
    clock.advance(LOOK_SECONDS)
    assert file.content() == 333


@pytest.mark.parametrize("text", ["no number", None])
def test_at_the_start_it_must_be_readable(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "number"
    if text:
        path.write_text(text)

    with pytest.raises(InvalidSettings, match=r"keys: .*number"):
        watched(path)
