"""Threads: closing, opening, deleting and scoring them, as commands that the stream decides in the order of the log.

In the strict regime a thread must be closed before it is scored; the answer then is Opik's own 409. Accepted scores of
the same request are stored all the same.
"""

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.adapters.telemetry import logs
from pipeline.errors import Conflict, Malformed, StorageUnavailable, Unknown
from pipeline.events.controls import Command, CommandKind
from pipeline.events.identity import ThreadRef, thread_model_id
from pipeline.events.scores import ScoreEvent
from pipeline.gateway.commands import Commands, Wish
from pipeline.gateway.dead_letters import dead_letters
from pipeline.gateway.intake import Intake
from pipeline.gateway.opik.batch import Items, Unprocessable, decoded
from pipeline.gateway.opik.scores import ScoreFields, author_of, name_of, require_any, score_values
from pipeline.gateway.opik.values import Reception
from pipeline.topics import DEAD_LETTERS, TRACES

ThreadExists = Callable[[str, UUID, str], Awaitable[bool]]
"""Tells whether storage knows a thread, by workspace, project id and thread id; raises StorageUnavailable."""
