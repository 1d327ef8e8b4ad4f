"""Who calls: the workspace that everything in the request belongs to."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from pipeline.adapters.web.keys import Right
from pipeline.errors import Malformed, Refused
from pipeline.events.identity import DEFAULT_WORKSPACE

WORKSPACE_HEADER: Final = "comet-workspace"
_ADMITTED: Final = "threadline.caller"
"""Where the request's scope keeps who was admitted."""
_ASK_AGAIN: Final = "threadline.ask_again"
"""Where it keeps what raises Refused once that is over."""
_HEADER_CHARSET: Final = "latin-1"  # ASGI servers and Starlette pass header bytes through it unchanged


@dataclass(frozen=True, slots=True)
class Caller:
    """The workspace a request acts in, and the rights of its key; None where no keys are in force."""

    workspace: str
    rights: frozenset[Right] | None = None


_DEFAULT: Final = Caller(DEFAULT_WORKSPACE)


def admit_as(request: HTTPConnection, caller: Caller, ask_again: Callable[[], object]) -> None:
    """Note who calls, for all who ask `caller_of` later; `ask_again` raises Refused once the caller's key is over."""
    request.scope[_ADMITTED] = caller
    request.scope[_ASK_AGAIN] = ask_again


def is_still_admitted(request: HTTPConnection) -> bool:
    """Tell whether whoever was admitted would be now: an answer may last longer than the key it was given to."""
    ask_again: Callable[[], object] | None = request.scope.get(_ASK_AGAIN)
    if ask_again is None:
        return True
    try:
        ask_again()
    except Refused:
        return False
    return True


def caller_of(request: HTTPConnection, *, workspace_bytes_max: int) -> Caller:
    """Return who was admitted, else who calls by the header Comet-Workspace; absent or blank is `default`.

    Raises Malformed where the name is too long, not UTF-8 or has control characters: it becomes part of Kafka keys.
    """
    admitted: Caller | None = request.scope.get(_ADMITTED)
    if admitted is not None:
        return admitted
    given = request.headers.get(WORKSPACE_HEADER, DEFAULT_WORKSPACE).strip()
    if not given or given == DEFAULT_WORKSPACE:
        return _DEFAULT
    octets = given.encode(_HEADER_CHARSET)
    if len(octets) > workspace_bytes_max:
        raise Malformed(f"Comet-Workspace is longer than {workspace_bytes_max} bytes", field=WORKSPACE_HEADER)
    try:
        workspace = octets.decode()
    except UnicodeDecodeError as error:
        raise Malformed("Comet-Workspace is not UTF-8", field=WORKSPACE_HEADER) from error
    if any(unicodedata.category(character) == "Cc" for character in workspace):
        raise Malformed("Comet-Workspace has control characters", field=WORKSPACE_HEADER)
    return Caller(workspace)
