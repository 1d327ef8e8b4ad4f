import json
import stat
from pathlib import Path

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.web.keys import read_keys, ring_of
from pipeline.commands import keys
from pipeline.commands.keys import Wanted
from pipeline.errors import InvalidSettings


def test_a_created_key_counts_and_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    text = keys.create(path, Wanted("shop", workspaces=["shop"], days=1))

    key = ring_of(path.read_bytes()).find(text)
    assert key is not None
    assert (key.name, key.workspaces, key.rights) == ("shop", ("shop",), {"ingest", "read", "annotate"})
    assert key.expires_at is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


def test_a_key_that_replaces_another_takes_its_rights_and_the_other_ends(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", ManualClock()
    old_text = keys.create(path, Wanted("old", workspaces=["a", "b"], rights=["read"]), clock=clock)
    [old] = read_keys(path.read_bytes()).keys

    new_text = keys.create(path, Wanted("new"), replaces=old.id, overlap_hours=2, clock=clock)

    ring = ring_of(path.read_bytes())
    old_now, new = ring.find(old_text), ring.find(new_text)
    assert old_now is not None
    assert new is not None
    assert (new.workspaces, new.rights) == (old.workspaces, old.rights)
    clock.advance(2 * 3600 - 1)
    assert not old_now.is_expired(clock.now_us())
    clock.advance(1)
    assert old_now.is_expired(clock.now_us())
    assert not new.is_expired(clock.now_us())


def test_a_revoked_key_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    text = keys.create(path, Wanted("n", workspaces=["*"]))
    [key] = read_keys(path.read_bytes()).keys

    keys.revoke(path, key.id)

    assert ring_of(path.read_bytes()).find(text) is None


def test_the_list_shows_no_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    keys.create(path, Wanted("n", workspaces=["w"]))
    [key] = read_keys(path.read_bytes()).keys

    keys.show(path, as_json=True)
    keys.show(path, as_json=False)

    out = capsys.readouterr().out
    assert key.hash[:16] not in out
    assert json.loads(out[: out.index("]\n") + 1])[0]["id"] == key.id


def test_a_key_for_no_workspace_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="--workspace"):
        keys.create(tmp_path / "keys.json", Wanted("n"))


def test_an_unknown_id_is_said(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys.create(path, Wanted("n", workspaces=["w"]))

    with pytest.raises(InvalidSettings, match="no key has the id 000000000000"):
        keys.revoke(path, "000000000000")
    with pytest.raises(InvalidSettings, match="cannot be read"):
        keys.revoke(tmp_path / "none.json", "000000000000")
