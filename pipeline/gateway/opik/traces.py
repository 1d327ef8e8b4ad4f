"""Traces: Opik's bodies to events, and the routes that take them."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from msgspec import Meta, Raw
from starlette.requests import Request
from starlette.responses import Response

from pipeline.events.envelope import Record
from pipeline.events.traces import TraceEvent
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import Items, decoded
from pipeline.gateway.opik.values import Moment, Reception, distinct, json_text, microseconds
from pipeline.topics import TRACES

NOTHING: Final = Raw()


class TraceFields(msgspec.Struct, kw_only=True, gc=False):
    """What both a new trace and a patch may say."""

    project_name: str | None = None
    project_id: UUID | None = None
    name: str | None = None
    end_time: Moment | None = None
    input: Raw = NOTHING
    output: Raw = NOTHING
    metadata: Raw = NOTHING
    tags: list[str] | None = None
    error_info: Raw = NOTHING
    thread_id: str | None = None
    ttft: float | None = None
    source: str | None = None
    environment: str | None = None


class TraceCreate(TraceFields, kw_only=True, gc=False):
    """A whole trace, in a batch or alone. Without an id it gets one, as Opik does."""

    id: UUID | None = None
    start_time: Moment
    last_updated_at: Moment | None = None


class TraceUpdate(TraceFields, kw_only=True, gc=False):
    """What a PATCH says; it carries no time of its own, so its version is its receipt."""

    tags_to_add: list[str] | None = None
    tags_to_remove: list[str] | None = None


class TraceUpdates(msgspec.Struct, kw_only=True):
    """One update of many traces."""

    ids: Annotated[list[Raw], Meta(min_length=1)]
    update: TraceUpdate
    merge_tags: bool | None = None
