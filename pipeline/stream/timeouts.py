"""What `setting` records said: how long a thread of a workspace may be silent, and which of its scores are taken.

The latest request counts, not the last in the log: two that are written at once may stand in another order in each
partition, and must end the same in all.

A partition is replayed from its committed offset, but what the changelog remembers may come from later records. So the
history since the last commit is kept: a replay sees the settings as they stood at the committed offset.
"""

from typing import Final, NamedTuple

import msgspec

from pipeline.events.controls import ScoreRegime, Setting
from pipeline.settings import TIMEOUT_MS_MAX, TIMEOUT_MS_UNSET

_KEY: Final = b"setting\t"
_SEPARATOR: Final = b"\t"


class Said(NamedTuple):
    """One setting record: where it stood and what it said of its workspace; None says "as all the others"."""

    offset: int
    timeout_ms: int | None
    score_regime: ScoreRegime | None
    requested_at_us: int = 0


_HISTORIES: Final = msgspec.json.Decoder(tuple[Said, ...])


def is_valid(setting: Setting) -> bool:
    """Tell whether the timeout is one that may be set."""
    return setting.timeout_ms is None or 0 < setting.timeout_ms <= TIMEOUT_MS_MAX


def is_setting_key(key: bytes) -> bool:
    """Tell whether a key of the changelog is that of a workspace's settings."""
    return key.startswith(_KEY)


def setting_key(workspace: str | None) -> bytes:
    """Return the key of a workspace's settings in the changelog; of all workspaces that have none, if it is None."""
    return _KEY + (b"" if workspace is None else b"=" + workspace.encode())


class Timeouts:
    """The settings in effect in one partition."""

    __slots__ = ("_by_workspace", "_default_us", "_histories", "default_regime")

    def __init__(self) -> None:
        self._histories: dict[bytes, tuple[Said, ...]] = {}
        self._by_workspace: dict[bytes, Said] = {}
        self._default_us = TIMEOUT_MS_UNSET * 1000
        self.default_regime: ScoreRegime | None = None

    @property
    def default_ms(self) -> int:
        """The timeout of workspaces without one of their own."""
        return self._default_us // 1000

    def timeout_us(self, thread_key: bytes) -> int:
        """Return the timeout of a thread."""
        if self._by_workspace:
            said = self._by_workspace.get(thread_key.split(_SEPARATOR, 2)[1])
            if said is not None and said.timeout_ms is not None:
                return said.timeout_ms * 1000
        return self._default_us

    def regime(self, workspace: str) -> ScoreRegime:
        """Return which scores of threads a workspace takes."""
        said = self._by_workspace.get(workspace.encode())
        return (said and said.score_regime) or self.default_regime or "strict"

    def apply(self, offset: int, setting: Setting) -> bytes:
        """Take a setting record in, unless a later request stands already; return its key in the changelog."""
        key = setting_key(setting.workspace)
        history = self._histories.get(key, ())
        if not history or setting.requested_at_us >= history[-1].requested_at_us:
            said = Said(offset, setting.timeout_ms, setting.score_regime, setting.requested_at_us)
            self._histories[key] = (*history, said)
            self._put_in_effect(key)
        return key

    def packed(self, key: bytes, committed_offset: int) -> bytes:
        """Return the value that the changelog keeps under `key`, without what no replay can ask for any more."""
        history = self._histories[key]
        replaced = [said for said in history if said.offset < committed_offset][:-1]
        self._histories[key] = history[len(replaced) :]
        return msgspec.json.encode(self._histories[key])

    def restore(self, key: bytes, packed: bytes, next_offset: int) -> None:
        """Take in what the changelog kept, as it stood before the record at `next_offset`."""
        history = tuple(said for said in _HISTORIES.decode(packed) if said.offset < next_offset)
        if history:
            self._histories[key] = history
            self._put_in_effect(key)

    def _put_in_effect(self, key: bytes) -> None:
        said = self._histories[key][-1]
        workspace = key.removeprefix(_KEY)
        if workspace:
            self._by_workspace[workspace[1:]] = said
        else:
            self._default_us = (said.timeout_ms or TIMEOUT_MS_UNSET) * 1000
            self.default_regime = said.score_regime
