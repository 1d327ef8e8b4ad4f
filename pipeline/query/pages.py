"""What a request asks for: which project, which page or piece of a stream, and which time range."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from pipeline.errors import Malformed
from pipeline.events.identity import project_id
from pipeline.query import filters, sorting
from pipeline.query.filters import Filter
from pipeline.query.sorting import Sort
from pipeline.query.statement import Scope
from pipeline.query.times import parse_us

STREAM_LIMIT: Final = 500
STREAM_LIMIT_MAX: Final = 2000
PAGE_SIZE: Final = 10
PAGE_MAX: Final = 1_000_000
_DIGITS_MAX: Final = 9


class TimeRange(NamedTuple):
    """From and to, in microseconds since 1970 UTC."""

    from_us: int
    to_us: int


class Search(msgspec.Struct, frozen=True):
    """The body of a search stream, as the SDKs send it; members that we do not know are ignored."""

    project_name: str | None = None
    project_id: str | None = None
    filters: list[Filter] | None = None
    limit: int | None = None
    truncate: bool | None = None
    exclude: list[str] | None = None
    from_time: str | None = None
    to_time: str | None = None
    last_retrieved_id: str | None = None
    last_retrieved_thread_model_id: str | None = None
    trace_id: str | None = None
    type: str | None = None

    @property
    def limit_or_default(self) -> int:
        """How many lines at most; raises Malformed outside 1..2000."""
        limit = STREAM_LIMIT if self.limit is None else self.limit
        if not 1 <= limit <= STREAM_LIMIT_MAX:
            raise Malformed(f"limit must be 1..{STREAM_LIMIT_MAX}", field="limit")
        return limit


class Page(msgspec.Struct, frozen=True):
    """The query string of a page."""

    number: int
    size: int
    filters: list[Filter]
    sorts: list[Sort]
    search: str | None
    between: TimeRange | None
    truncate: bool
    exclude: list[str]

    @property
    def offset(self) -> int:
        """How many rows come before this page."""
        return (self.number - 1) * self.size


def search_of(body: bytes) -> Search:
    """Return the body of a search; raises Malformed where it is none."""
    try:
        return msgspec.json.decode(body or b"{}", type=Search)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(str(error), field="body") from error


def page_of(query: Mapping[str, str], *, rows_max: int) -> Page:
    """Return the page that a query string asks for; raises Malformed for what it cannot mean."""
    excluded = query.get("exclude")
    return Page(
        number=_whole(query, "page", 1, PAGE_MAX),
        size=_whole(query, "size", PAGE_SIZE, rows_max),
        filters=_filters(query),
        sorts=sorting.decode(query.get("sorting")),
        search=query.get("search") or None,
        between=range_of(query.get("from_time"), query.get("to_time")),
        truncate=flag_of(query, "truncate"),
        exclude=_excluded(excluded) if excluded else [],
    )


def scope_of(workspace: str, name: str | None, identity: str | None) -> Scope:
    """Return the project a request names by `project_id` or `project_name`; raises Malformed where by neither."""
    if identity:
        return Scope(workspace, uuid_of(identity, "project_id"))
    if name and name.strip():
        return Scope(workspace, project_id(workspace, name))
    raise Malformed("either project_name or project_id must be given", field="project_name")


def uuid_of(text: str, field: str) -> UUID:
    """Return the UUID in `text`; raises Malformed, naming `field`, where it is none."""
    try:
        return UUID(text)
    except ValueError as error:
        raise Malformed(f"{field} must be a UUID, not '{text[:100]}'", field=field) from error


def range_of(from_time: str | None, to_time: str | None) -> TimeRange | None:
    """Return the range, or None where neither end is given; raises Malformed for one end alone or a reversed range."""
    if not from_time and not to_time:
        return None
    if not from_time or not to_time:
        raise Malformed("from_time and to_time must be given together", field="from_time")
    try:
        found = TimeRange(parse_us(from_time), parse_us(to_time))
    except ValueError as error:
        raise Malformed(
            "from_time and to_time must be times such as 2024-01-31T00:00:00Z", field="from_time"
        ) from error
    if found.from_us >= found.to_us:
        raise Malformed("from_time must be before to_time", field="from_time")
    return found


def flag_of(query: Mapping[str, str], name: str) -> bool:
    """Tell whether the query string has `name` set to true."""
    return query.get(name, "").lower() == "true"


def _filters(query: Mapping[str, str]) -> list[Filter]:
    """Return the filters; what is asked of one annotation queue is the filter by that queue."""
    given = filters.decode(query["filters"]) if query.get("filters") else []
    queue = query.get("annotation_queue_id")
    return [*given, Filter("annotation_queue_ids", "=", queue)] if queue else given


def _whole(query: Mapping[str, str], name: str, otherwise: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX) or not 1 <= int(text) <= most:
        raise Malformed(f"{name} must be 1..{most}", field=name)
    return int(text)


def _excluded(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"exclude: {error}", field="exclude") from error
