"""What the gateway asks of storage: whether a thread exists, and on what a comment stands.

Ids are computed, so events need no look-up; but some routes must answer 404, and those that change a comment name only
the comment. What a client has just written is in Kafka, and in storage a moment later. So what storage does not know it
is asked for again, for `lookup_seconds_max`; storage tells nobody when a row arrives, hence the pauses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar
from uuid import UUID

from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import logs
from pipeline.errors import StorageUnavailable, Unknown
from pipeline.events.annotations import CommentPlace
from pipeline.events.identity import ThreadRef
from pipeline.events.scores import EntityType

_FIRST_PAUSE_SECONDS: Final = 0.1
_PAUSE_SECONDS_MAX: Final = 0.4

Answer = TypeVar("Answer")

_log = logs.logger(__name__)


class Storage(Protocol):
    """What can be asked: `query.routes.Query`. Every method raises StorageUnavailable."""

    async def thread_exists(self, workspace: str, project: UUID, thread_id: str) -> bool:
        """Tell whether there is a trace of that thread."""

    async def thread_model_exists(self, workspace: str, model_id: UUID) -> bool:
        """Tell whether there is a trace of the thread with that model id."""

    async def comment_places(
        self, workspace: str, entity_type: EntityType, comment_ids: Sequence[UUID]
    ) -> Mapping[UUID, CommentPlace]:
        """Return where the comments stand that are known, deleted ones too."""


class Lookup:
    """Asks storage; without one nobody can tell whether a thread exists, and no comment is found."""

    def __init__(self, storage: Storage | None, *, seconds_max: float) -> None:
        self._storage: Final = storage
        self._seconds_max: Final = seconds_max

    async def require_threads(self, threads: Sequence[ThreadRef]) -> None:
        """Raise Unknown where storage can tell that one of these threads does not exist; it is asked once."""
        if self._storage is None or not threads:
            return
        try:
            known = await asyncio.gather(*(self._storage.thread_exists(*thread) for thread in threads))
        except StorageUnavailable as error:
            _log.warning("nobody can tell whether the threads exist", reason=str(error))
            return
        missing = [thread.thread_id for thread, is_known in zip(threads, known, strict=True) if not is_known]
        if missing:
            raise Unknown(f"Thread not found: {', '.join(sorted(missing))}")

    async def require_thread_model(self, workspace: str, model_id: UUID) -> None:
        """Raise Unknown where storage can tell, for a while, that no thread has that model id."""
        if self._storage is None:
            return
        storage = self._storage
        try:
            is_known = await self._patiently(lambda: storage.thread_model_exists(workspace, model_id), bool)
        except StorageUnavailable as error:
            _log.warning("nobody can tell whether the thread exists", reason=str(error))
            return
        if not is_known:
            raise Unknown(f"Thread not found: {model_id}")

    async def comment_places(
        self, workspace: str, entity_type: EntityType, comment_ids: Sequence[UUID]
    ) -> Mapping[UUID, CommentPlace]:
        """Return where comments stand; those of `comment_ids` that stay unknown for a while are not in it.

        Raises StorageUnavailable.
        """
        if self._storage is None:
            raise StorageUnavailable("there is no storage to ask where comments stand")
        storage = self._storage
        wanted = set(comment_ids)
        return await self._patiently(
            lambda: storage.comment_places(workspace, entity_type, comment_ids), lambda places: wanted <= places.keys()
        )

    async def _patiently(self, look: Callable[[], Awaitable[Answer]], is_enough: Callable[[Answer], bool]) -> Answer:
        """Return the first answer that is enough, or the last one; only the pauses count as waiting."""
        backoff = Backoff(seconds_max=_PAUSE_SECONDS_MAX, first_seconds=_FIRST_PAUSE_SECONDS)
        waited_seconds = 0.0
        while not is_enough(answer := await look()) and waited_seconds < self._seconds_max:
            pause_seconds = min(backoff.pause(), self._seconds_max - waited_seconds)
            await asyncio.sleep(pause_seconds)
            waited_seconds += pause_seconds
        return answer
