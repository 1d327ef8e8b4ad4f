"""Keys of a file, as an operator makes them."""

from pathlib import Path

import msgspec

from pipeline.adapters.clock import Clock
from pipeline.adapters.watched_file import WatchedFile
from pipeline.adapters.web.access import Access
from pipeline.adapters.web.keys import Key, KeyFile, Right, moment_of, new_key, ring_of

WORKSPACE_BYTES_MAX = 4096


class KeyRingFile:
    """A file of keys that grows."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._keys: list[Key] = []
        self._write()

    def add(self, workspaces: list[str], rights: list[Right], *, expires_at_us: int | None = None) -> str:
        """Return a new key."""
        text, key = new_key(
            name="test", workspaces=workspaces, rights=rights, now_us=self._clock.now_us(), expires_at=None
        )
        if expires_at_us is not None:
            key = msgspec.structs.replace(key, expires_at=moment_of(expires_at_us))
        self._keys.append(key)
        self._write()
        return text

    def revoke_all(self) -> None:
        """Leave no key in the file."""
        self._keys.clear()
        self._write()

    def access(self) -> Access:
        """Return what lets requests in by these keys."""
        keys = WatchedFile("keys", self.path, ring_of, self._clock)
        return Access(keys, self._clock, workspace_bytes_max=WORKSPACE_BYTES_MAX)

    def _write(self) -> None:
        self.path.write_bytes(msgspec.json.encode(KeyFile(tuple(self._keys))))
