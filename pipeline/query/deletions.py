"""Whether anything of a project, or of some of its threads, was ever deleted: rarely, and then reading is simpler."""

from collections.abc import Sequence
from typing import Final

from pipeline.query.parts import DELETED
from pipeline.query.reader import Reader
from pipeline.query.statement import Scope

_ANY: Final = f"SELECT 1 AS found FROM thread_sessions WHERE {DELETED} LIMIT 1"  # noqa: S608 - composed of constants
_ANY_OF: Final = _ANY.replace("/* narrow */", "AND thread_id IN {thread_ids:Array(String)}")


async def any_deleted(reader: Reader, scope: Scope, thread_ids: Sequence[str] | None = None) -> bool:
    """Tell whether a thread of the project, or one of `thread_ids`, was ever deleted; it may live again since."""
    if thread_ids is None:
        return bool(await reader.ask(_ANY, scope.parameters()))
    return bool(await reader.ask(_ANY_OF, scope.parameters(thread_ids=list(thread_ids))))
