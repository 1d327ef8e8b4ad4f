"""Ids and keys: all computed, none looked up.

A trace or span is (workspace, id). A project is (workspace, name trimmed and case-folded). A thread is
(workspace, project, thread_id). The same input gives the same id in every process, for ever.
"""

from functools import lru_cache
from hashlib import sha1
from typing import Final, NamedTuple
from uuid import UUID, uuid5

DEFAULT_WORKSPACE: Final = "default"
DEFAULT_PROJECT_NAME: Final = "Default Project"
NIL_ID: Final = UUID(int=0)

PROJECT_NAMESPACE: Final = UUID("6f1f7a5e-5a0c-5a53-8a53-7a1d2f0c9b11")
_THREAD_MARK: Final = "thread"
_SEPARATOR: Final = "\t"
_THREAD_KEY_START: Final = f"{_THREAD_MARK}{_SEPARATOR}".encode()


class ThreadRef(NamedTuple):
    """Which thread, as everything that concerns it is keyed."""

    workspace: str
    project_id: UUID
    thread_id: str


@lru_cache(maxsize=65_536)
def project_id(workspace: str, name: str) -> UUID:
    """Return the id of the project that `name` means in `workspace`; names compare trimmed and case-folded."""
    return uuid5(PROJECT_NAMESPACE, f"{workspace}{_SEPARATOR}{name.strip().casefold()}")


def thread_model_id(project: UUID, thread_id: str) -> UUID:
    """Return the id under which tags, comments and scores refer to a thread: uuid5(project, thread_id).

    Written out (RFC 9562, 5.5), since it is asked for with every close and `uuid.uuid5` takes twice as long.
    """
    digest = sha1(project.bytes + thread_id.encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)


def thread_key(thread: ThreadRef) -> bytes:
    r"""Return the Kafka key of a thread: `thread`, workspace, project id and thread id, joined by tabs, in UTF-8.

    Only the thread id, which comes last, may itself contain a tab. No trace id begins with `thread`.
    """
    return _thread_key_start(thread.workspace, thread.project_id) + thread.thread_id.encode()


@lru_cache(maxsize=65_536)
def _thread_key_start(workspace: str, project: UUID) -> bytes:
    """Return what the keys of all threads of a project begin with; to spell the id takes longer than all else here."""
    return _SEPARATOR.join((_THREAD_MARK, workspace, str(project), "")).encode()


def parse_thread_key(key: bytes) -> ThreadRef:
    """Return the thread that `key` stands for.

    Raises ValueError where `key` is no thread key, or another spelling of one: the spelling decides the partition.
    """
    try:
        mark, workspace, spelled, thread_id = key.decode().split(_SEPARATOR, 3)
        project = _project_spelled(spelled)
    except ValueError as error:
        raise ValueError("not a thread key") from error
    if mark != _THREAD_MARK or not thread_id:
        raise ValueError("not a thread key")
    return ThreadRef(workspace, project, thread_id)


@lru_cache(maxsize=65_536)
def _project_spelled(spelled: str) -> UUID:
    """Return the id of a project; raises ValueError where it is not spelled as `str` spells it."""
    project = UUID(spelled)
    if str(project) != spelled:
        raise ValueError("another spelling")
    return project


def is_thread_key(key: bytes | None) -> bool:
    """Tell whether `key` names a thread rather than a trace."""
    return key is not None and key.startswith(_THREAD_KEY_START)


def session_id(log_id: UUID, partition: int, first_offset: int) -> str:
    """Return the id of the session whose first record stands at `first_offset` of the log `log_id`."""
    return f"{log_id}:{partition}:{first_offset}"
