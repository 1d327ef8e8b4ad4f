"""What workspaces have set: read from the log's settings as the sinks have stored them.

So it is what the stream acts on, as soon as the sinks have come as far: a fraction of a second after the setting was
accepted, and later where they are behind.
"""

from typing import Final, NamedTuple

import msgspec

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import logs
from pipeline.events.controls import SETTING_DECODER, Setting
from pipeline.query.reader import Reader
from pipeline.settings import TIMEOUT_MS_UNSET

REGIME_SECONDS_MAX: Final = 1.0
"""How old a workspace's score regime may be that reads go by."""
_WORKSPACES_MAX: Final = 10_000
_OF_ALL: Final = ""

# Each partition holds the same settings. Those without a time of request, of the stream itself or of direct producers,
# come in the order in which they were appended.
_SETTINGS: Final = """
SELECT
    JSONExtractString(value, 'workspace') AS named,
    argMax(value, (JSONExtractInt(value, 'requested_at_us'), appended_at_ms, log_partition, log_offset)) AS newest
FROM controls
WHERE kind = 'setting' AND isValidJSON(value) AND named IN {workspaces:Array(String)}
GROUP BY named"""

_log = logs.logger(__name__)


class _Regime(NamedTuple):
    is_lenient: bool
    read_at: float


async def setting_of(reader: Reader, workspace: str) -> Setting:
    """Return the newest setting of a workspace; one that says nothing where there is none."""
    return (await _settings(reader, workspace)).get(workspace, Setting(workspace=workspace))


async def default_setting(reader: Reader, *, lenient: bool) -> Setting:
    """Return what holds in a workspace that has set nothing; `lenient` is the regime where no setting says one."""
    said = (await _settings(reader, _OF_ALL)).get(_OF_ALL, Setting())
    return Setting(
        timeout_ms=said.timeout_ms or TIMEOUT_MS_UNSET,
        score_regime=said.score_regime or ("lenient" if lenient else "strict"),
    )


class Regimes:
    """Remembers, for a moment, in which workspaces every score of a thread counts.

    A workspace without a regime of its own has that of all workspaces; `lenient` is theirs where none was ever set.
    """

    def __init__(self, reader: Reader, clock: Clock, *, lenient: bool) -> None:
        self._reader: Final = reader
        self._clock: Final = clock
        self._lenient: Final = lenient
        self._known: Final[dict[str, _Regime]] = {}

    async def is_lenient(self, workspace: str) -> bool:
        """Tell whether scores count that were given before the latest reopening (see `parts.SCORED`)."""
        now = self._clock.monotonic()
        known = self._known.get(workspace)
        if known is None or now - known.read_at > REGIME_SECONDS_MAX:
            if len(self._known) >= _WORKSPACES_MAX:
                self._known.clear()
            known = self._known[workspace] = _Regime(await self._read(workspace), now)
        return known.is_lenient

    async def _read(self, workspace: str) -> bool:
        settings = await _settings(self._reader, workspace)
        for name in (workspace, _OF_ALL):
            if name in settings and (regime := settings[name].score_regime) is not None:
                return regime == "lenient"
        return self._lenient


async def _settings(reader: Reader, workspace: str) -> dict[str, Setting]:
    """Return the newest setting of a workspace and, under the empty name, of all that have none."""
    found = {}
    for row in await reader.ask(_SETTINGS, {"workspaces": [workspace, _OF_ALL]}):
        try:
            found[row["named"]] = SETTING_DECODER.decode(row["newest"])
        except msgspec.ValidationError as error:
            _log.warning("a setting is not what its schema says", reason=str(error))
    return found
