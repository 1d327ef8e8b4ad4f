import json

import pytest

from pipeline.adapters.web.keys import KeyFile, KeyRing, moment_of, new_key, read_keys, ring_of
from pipeline.errors import InvalidSettings

NOW_US = 1_700_000_000_000_000


def a_key(**fields: object) -> dict[str, object]:
    return {
        "id": "0123456789ab", "hash": "a" * 64, "name": "n", "workspaces": ["w"], "rights": ["read"],
        "created_at": "2026-11-23T08:00:00Z",
    } | fields  # fmt: skip


def test_a_new_key_is_found_and_the_file_does_not_contain_it() -> None:
    text, key = new_key(name="n", workspaces=["w"], rights=["read"], now_us=NOW_US, expires_at=None)

    assert KeyRing([key]).find(text) == key
    assert text.split("_", 2)[2] not in repr(key)


@pytest.mark.parametrize("change", [lambda text: text[:-1] + "?", lambda text: text[:-1], str.upper, lambda _: ""])
def test_what_is_not_the_whole_key_is_not_found(change: object) -> None:
    text, key = new_key(name="n", workspaces=["w"], rights=["read"], now_us=NOW_US, expires_at=None)

    assert KeyRing([key]).find(change(text)) is None  # type: ignore[operator]


def test_a_key_with_the_id_of_another_is_not_found() -> None:
    text, key = new_key(name="n", workspaces=["w"], rights=["read"], now_us=NOW_US, expires_at=None)
    other, _ = new_key(name="n", workspaces=["w"], rights=["read"], now_us=NOW_US, expires_at=None)

    assert KeyRing([key]).find("_".join([*text.split("_", 2)[:2], other.split("_", 2)[2]])) is None


def test_every_workspace_is_held_by_a_star_and_others_by_name() -> None:
    _, some = new_key(name="n", workspaces=["a", "b"], rights=["read"], now_us=NOW_US, expires_at=None)
    _, every = new_key(name="n", workspaces=["*"], rights=["read"], now_us=NOW_US, expires_at=None)

    assert [some.holds(name) for name in ("a", "b", "c", "*")] == [True, True, False, False]
    assert every.holds("c")


def test_a_key_counts_until_the_moment_in_which_it_expires() -> None:
    _, key = new_key(name="n", workspaces=["w"], rights=["read"], now_us=NOW_US, expires_at=moment_of(NOW_US + 1))

    assert not key.is_expired(NOW_US)
    assert key.is_expired(NOW_US + 1)


@pytest.mark.parametrize(
    "entry",
    [
        a_key(hash="secret"), a_key(id="x"), a_key(rights=["write"]), a_key(rights=[]), a_key(workspaces=[]),
        a_key(expires_at="2026-11-23T08:00:00"), a_key(key="tl_x"), {"id": "0123456789ab"},
    ],
)  # fmt: skip
def test_an_entry_that_is_none_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(InvalidSettings, match="not a file of keys"):
        read_keys(json.dumps({"keys": [entry]}).encode())


def test_two_keys_of_one_id_are_refused() -> None:
    with pytest.raises(InvalidSettings, match="same id"):
        ring_of(json.dumps({"keys": [a_key(), a_key()]}).encode())


def test_a_file_without_keys_lets_nobody_in() -> None:
    assert read_keys(b'{"keys": []}') == KeyFile()
