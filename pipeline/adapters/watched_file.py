"""A file that an operator may change while we run: read again when it changed, never half.

Kubernetes replaces the files of a mounted Secret or ConfigMap by turning a symbolic link, so what counts is the file at
the end of all links. It is looked at when somebody asks for it, at most once in LOOK_SECONDS. A change that cannot be
read is logged and counted, and what was read before goes on being valid: a slip of the pen must not lock everybody out,
nor let everybody in.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.metrics import GATEWAY_FILE_RELOADS
from pipeline.errors import InvalidSettings

LOOK_SECONDS: Final = 1.0

Content = TypeVar("Content")

_log = logs.logger(__name__)


class WatchedFile(Generic[Content]):
    """What `read` makes of a file, as it stands now."""

    def __init__(self, name: str, path: Path, read: Callable[[bytes], Content], clock: Clock) -> None:
        """Read the file `path`, which the log and the metrics call `name`.

        Raises InvalidSettings where it is not there, or where `read` raises that.
        """
        self._name: Final = name
        self._path: Final = path
        self._read: Final = read
        self._clock: Final = clock
        self._looked_at = clock.monotonic()
        try:
            self._mark = self._mark_now()
            self._content = read(path.read_bytes())
        except OSError as error:
            raise InvalidSettings(f"{name}: {path} cannot be read: {error.strerror}") from error
        except InvalidSettings as error:
            raise InvalidSettings(f"{name}: {path}: {error}") from error

    def content(self) -> Content:
        """Return what the file says, at most LOOK_SECONDS late."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._content

    def _look(self) -> None:
        try:
            mark = self._mark_now()
            if mark == self._mark:
                return
            # The mark is taken first: what is written between the two is found at the next look.
            self._mark = mark
            self._content = self._read(self._path.read_bytes())
        except (OSError, InvalidSettings) as error:
            GATEWAY_FILE_RELOADS.labels(self._name, "failed").inc()
            _log.error("a file cannot be read; what it said before goes on", file=self._name, reason=str(error))
            return
        GATEWAY_FILE_RELOADS.labels(self._name, "read").inc()
        _log.info("a file was read again", file=self._name)

    def _mark_now(self) -> tuple[int, int, int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
