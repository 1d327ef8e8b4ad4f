"""API keys: what their file says of each, and how a key is made and found.

A key is `tl_<id>_<secret>`. The file keeps the SHA-256 of the whole key and nothing from which it could be made again;
256 random bits need no slow hash, whose cost would only serve who floods us with wrong keys. The id says which entry
to compare with, in constant time; it is no secret, and stands in logs.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from pipeline.errors import InvalidSettings

Right = Literal["ingest", "read", "annotate", "admin"]
"""`ingest` writes traces and spans, `read` reads, `annotate` scores, comments, tags, opens and closes threads, `admin`
deletes and configures. None contains another."""
RIGHTS: Final[tuple[Right, ...]] = get_args(Right)
EVERY_WORKSPACE: Final = "*"

_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_KEY: Final = re.compile(r"tl_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_HASH: Final = "0" * 64
"""Compared with where there is no such key, so that an unknown id takes as long as a wrong secret."""

Moment = Annotated[datetime, Meta(tz=True)]


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One key. `workspaces` are those it holds, or `*` for every one; from `expires_at` on it is refused."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{12}$")]
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    name: str
    workspaces: Annotated[tuple[str, ...], Meta(min_length=1)]
    rights: Annotated[frozenset[Right], Meta(min_length=1)]
    created_at: Moment
    expires_at: Moment | None = None

    def holds(self, workspace: str) -> bool:
        """Tell whether the key is for `workspace`."""
        return workspace in self.workspaces or EVERY_WORKSPACE in self.workspaces

    def is_expired(self, now_us: int) -> bool:
        """Tell whether the key's time is over at `now_us`, in microseconds since 1970 UTC."""
        return self.expires_at is not None and (self.expires_at - _EPOCH) // timedelta(microseconds=1) <= now_us


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    keys: tuple[Key, ...] = ()


class KeyRing:
    """The keys of one reading of the file."""

    def __init__(self, keys: Sequence[Key]) -> None:
        """Raise InvalidSettings where two keys have the same id."""
        self._keys: Final = {key.id: key for key in keys}
        if len(self._keys) < len(keys):
            raise InvalidSettings("two keys have the same id")

    def find(self, presented: str) -> Key | None:
        """Return the key that `presented` is, expired or not; None where it is none of ours."""
        said = _KEY.fullmatch(presented)
        known = self._keys.get(said[1]) if said else None
        is_same = hmac.compare_digest(hash_of(presented), _NO_HASH if known is None else known.hash)
        return known if is_same else None


def read_keys(content: bytes) -> KeyFile:
    """Return what a file of keys says; raises InvalidSettings where it is none."""
    try:
        return msgspec.json.decode(content, type=KeyFile)
    except msgspec.DecodeError as error:
        raise InvalidSettings(f"not a file of keys: {error}") from error


def ring_of(content: bytes) -> KeyRing:
    """Return the keys of a file's content; raises InvalidSettings."""
    return KeyRing(read_keys(content).keys)


def new_key(
    *, name: str, workspaces: Sequence[str], rights: Sequence[Right], now_us: int, expires_at: datetime | None
) -> tuple[str, Key]:
    """Return a new key, which is to be shown once, and its entry for the file."""
    identity = secrets.token_hex(_ID_BYTES)
    text = f"tl_{identity}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return text, Key(
        id=identity,
        hash=hash_of(text),
        name=name,
        workspaces=tuple(workspaces),
        rights=frozenset(rights),
        created_at=moment_of(now_us).replace(microsecond=0),
        expires_at=expires_at,
    )


def hash_of(text: str) -> str:
    """Return what the file keeps of a key."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def moment_of(at_us: int) -> datetime:
    """Return microseconds since 1970 UTC as a moment."""
    return _EPOCH + timedelta(microseconds=at_us)
