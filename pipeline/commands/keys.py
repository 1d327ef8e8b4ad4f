"""`threadline keys`: make, list and revoke API keys in their file.

The file is replaced as a whole, readable by its owner only. In Kubernetes it is a Secret: change a copy, then apply it.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.web.keys import Key, KeyFile, Right, moment_of, new_key, read_keys
from pipeline.errors import InvalidSettings

DEFAULT_RIGHTS: tuple[Right, ...] = ("ingest", "read", "annotate")
"""What an application needs that logs, reads and scores."""


class Wanted(NamedTuple):
    """A key that is to be made. Without workspaces or rights those of the key that it replaces, or the default."""

    name: str
    workspaces: Sequence[str] = ()
    rights: Sequence[str] = ()
    days: int | None = None


class Shown(msgspec.Struct, frozen=True):
    """What is shown of a key; times are ISO 8601."""

    id: str
    name: str
    workspaces: tuple[str, ...]
    rights: list[str]
    created_at: str
    expires_at: str | None
    is_expired: bool


def create(
    path: Path, wanted: Wanted, *, replaces: str | None = None, overlap_hours: float = 24.0, clock: Clock | None = None
) -> str:
    """Add a key to the file `path`, made where it is not there, and return it.

    Raises InvalidSettings where the file is none of keys, where no key has the id `replaces`, and where nobody says for
    which workspace the key is.
    """
    now_us = (clock or SystemClock()).now_us()
    keys = list(read_keys(path.read_bytes()).keys) if path.exists() else []
    rights = msgspec.convert(tuple(wanted.rights), tuple[Right, ...])
    workspaces = tuple(wanted.workspaces)
    if replaces is not None:
        place = _place_of(keys, replaces)
        replaced = keys[place]
        workspaces, rights = workspaces or replaced.workspaces, rights or tuple(replaced.rights)
        keys[place] = _ending(replaced, moment_of(now_us) + timedelta(hours=overlap_hours))
    if not workspaces:
        raise InvalidSettings("say for which workspace the key is: --workspace NAME, or --workspace '*' for every one")
    expires_at = None if wanted.days is None else moment_of(now_us) + timedelta(days=wanted.days)
    text, key = new_key(
        name=wanted.name,
        workspaces=workspaces,
        rights=rights or DEFAULT_RIGHTS,
        now_us=now_us,
        expires_at=expires_at,
    )
    _write(path, [*keys, key])
    return text


def revoke(path: Path, identity: str) -> None:
    """Take the key `identity` out of the file; raises InvalidSettings where there is none."""
    keys = _keys_of(path)
    del keys[_place_of(keys, identity)]
    _write(path, keys)


def show(path: Path, *, as_json: bool, clock: Clock | None = None) -> None:
    """Print the keys of the file, without their hashes."""
    now_us = (clock or SystemClock()).now_us()
    rows = [_shown(key, now_us) for key in _keys_of(path)]
    console = Console()
    if as_json:
        console.print_json(msgspec.json.encode(rows).decode())
        return
    table = Table("id", "name", "workspaces", "rights", "created", "expires")
    for row in rows:
        expires = f"{row.expires_at or 'never'}{' (expired)' if row.is_expired else ''}"
        table.add_row(row.id, row.name, ", ".join(row.workspaces), ", ".join(row.rights), row.created_at, expires)
    console.print(table)


def _shown(key: Key, now_us: int) -> Shown:
    return Shown(
        id=key.id,
        name=key.name,
        workspaces=key.workspaces,
        rights=sorted(key.rights),
        created_at=key.created_at.isoformat(),
        expires_at=None if key.expires_at is None else key.expires_at.isoformat(),
        is_expired=key.is_expired(now_us),
    )


def _keys_of(path: Path) -> list[Key]:
    try:
        return list(read_keys(path.read_bytes()).keys)
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}") from error


def _place_of(keys: Sequence[Key], identity: str) -> int:
    for place, key in enumerate(keys):
        if key.id == identity:
            return place
    raise InvalidSettings(f"no key has the id {identity}")


def _ending(key: Key, moment: datetime) -> Key:
    return msgspec.structs.replace(key, expires_at=moment if key.expires_at is None else min(key.expires_at, moment))


def _write(path: Path, keys: Sequence[Key]) -> None:
    """Replace the file in one step: who reads it finds the old one or the new one."""
    content = msgspec.json.format(msgspec.json.encode(KeyFile(tuple(keys))), indent=2) + b"\n"
    descriptor, written = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # for its owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(written).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(written).unlink()
        raise
