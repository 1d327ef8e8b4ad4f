"""A SELECT put together from named parts, with every value bound on the server.

Parts are constants of our modules and become `WITH name AS (...)`; conditions and orders come from the tables of
fields. A value from a request never becomes text of the SQL: `bind` gives it a name and returns `{name:Type}`.

Only the parts that a query needs go with it: ClickHouse analyses every part that it is given, needed or not, which took
several times as long as reading one thread.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from pipeline.events.identity import ThreadRef

_WORD: Final = re.compile(r"\w+")


class Statement:
    """Collects the parts, conditions and values of one query; `text` gives the SQL and `parameters` the values."""

    def __init__(self, parts: Mapping[str, str], parameters: Mapping[str, object]) -> None:
        self._parts: Final = dict(parts)
        self._given: Final = dict(parameters)
        self._conditions: Final[list[str]] = []

    def bind(self, value: object, type_: str) -> str:
        """Take `value`, of the ClickHouse type `type_`, and return the text that stands for it."""
        name = f"value_{len(self._given)}"
        self._given[name] = value
        return f"{{{name}:{type_}}}"

    def give(self, name: str, value: object) -> None:
        """Take the value of a parameter that a part names."""
        self._given[name] = value

    def where(self, *conditions: str) -> "Statement":
        """Add conditions; all of them must hold."""
        self._conditions.extend(conditions)
        return self

    def text(self, select: str, tail: str = "") -> str:
        """Return `select` (up to and with its FROM) under the parts and conditions, followed by `tail`."""
        conditions = " AND ".join(f"({condition})" for condition in self._conditions) or "1"
        query = f"{select}\nWHERE {conditions}\n{tail}"
        parts = ",\n".join(f"{name} AS ({self._parts[name]})" for name in self._needed(query))
        return f"WITH {parts}\n{query}" if parts else query

    def mentions(self, names: Collection[str], more: str = "") -> bool:
        """Tell whether the conditions so far, or `more`, say one of `names`."""
        return any(not _words(text).isdisjoint(names) for text in (*self._conditions, more))

    @property
    def has_conditions(self) -> bool:
        """Whether there are any conditions so far."""
        return bool(self._conditions)

    def add(self, parts: Mapping[str, str]) -> None:
        """Add parts, which may name those that are there already."""
        self._parts.update(parts)

    def choose(self, name: str, source: str, *, columns: str = "*", tail: str = "") -> "Statement":
        """Make what of `source` meets the conditions so far a part called `name`, and begin with no conditions.

        `tail` may order and limit it; both it and `source` may be SQL of tables as well as the names of parts.
        """
        conditions = " AND ".join(f"({condition})" for condition in self._conditions) or "1"
        self._parts[name] = f"SELECT {columns} FROM {source} WHERE {conditions}{tail and ' ' + tail}"  # noqa: S608 - values are bound
        self._conditions.clear()
        return self

    def _needed(self, query: str) -> list[str]:
        """Return the names of the parts that `query` says, or that those say, in the order in which they were given."""
        needed: set[str] = set()
        said = _words(query) & self._parts.keys()
        while said:
            needed |= said
            said = set().union(*(_words(self._parts[name]) for name in said)) & self._parts.keys() - needed
        return [name for name in self._parts if name in needed]

    def parameters(self, sql: str) -> dict[str, object]:
        """Return the values that `sql` names."""
        return {name: value for name, value in self._given.items() if f"{{{name}:" in sql}


def _words(sql: str) -> set[str]:
    return set(_WORD.findall(sql))


class Scope:
    """The project that a request reads, and the parameters that every part names it by."""

    def __init__(self, workspace: str, project_id: UUID) -> None:
        self.workspace: Final = workspace
        self.project_id: Final = project_id

    def thread(self, thread_id: str) -> ThreadRef:
        """Return the thread of this project that is called `thread_id`."""
        return ThreadRef(self.workspace, self.project_id, thread_id)

    def parameters(self, **more: object) -> dict[str, object]:
        """Return `workspace` and `project_id`, and `more`."""
        return {"workspace": self.workspace, "project_id": str(self.project_id), **more}
