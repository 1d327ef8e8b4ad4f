"""Reading attributes: the first of several names, lists and objects that were flattened into names, values as JSON."""

import math
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from pipeline.gateway.json_text import normalised
from pipeline.gateway.opik.values import COUNT_MAX
from pipeline.gateway.otlp.telemetry import Attributes

ITEMS_MAX: Final = 10_000
"""Largest index of a flattened list: `llm.input_messages.<index>.message.role`."""

_JSON_OPENERS: Final = ("{", "[")
_VALID: Final = msgspec.json.Decoder(msgspec.Raw)


class Taken:
    """Attributes of which it is noted which ones were used; the others are for the metadata."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes: Final = attributes
        self._used: Final[set[str]] = set()

    def first(self, *names: str) -> Any:
        """Return the value of the first name that has one, else None; that attribute is used."""
        for name in names:
            found = self._attributes.get(name)
            if found is not None:
                self._used.add(name)
                return found
        return None

    def peek(self, name: str) -> Any:
        """Return a value, else None; the attribute goes to the metadata all the same."""
        return self._attributes.get(name)

    def text(self, *names: str) -> str | None:
        """Return the first value that is a string with something in it, else None; that attribute is used."""
        for name in names:
            found = self._attributes.get(name)
            if isinstance(found, str) and found.strip():
                self._used.add(name)
                return found
        return None

    def count(self, *names: str) -> int | None:
        """Return the first value that is a whole number, else None; that attribute is used."""
        for name in names:
            found = self._attributes.get(name)
            if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= COUNT_MAX:
                self._used.add(name)
                return found
        return None

    def number(self, *names: str) -> float | None:
        """Return the first value that is a number, else None; that attribute is used."""
        for name in names:
            found = self._attributes.get(name)
            if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
                self._used.add(name)
                return found
        return None

    def nested(self, prefix: str) -> Any:
        """Return the list that was flattened into names `<prefix>.<index>...`, else None; all of it is used."""
        start = f"{prefix}."
        names = [
            name
            for name in self._attributes
            if name.startswith(start) and name[len(start) :].partition(".")[0].isdecimal()
        ]
        if not names:
            return None
        self._used.update(names)
        return unflattened((name[len(start) :], self._attributes[name]) for name in names)

    def rest(self) -> dict[str, Any]:
        """Return the attributes that were not used."""
        return {name: value for name, value in self._attributes.items() if name not in self._used}


def unflattened(flat: Iterable[tuple[str, Any]]) -> Any:
    """Return objects and lists from names such as `0.message.role`; names of numbers alone are a list's, in order."""
    tree: dict[str, Any] = {}
    for name, value in flat:
        *path, last = name.split(".")
        place = tree
        for step in path:
            below = place.get(step)
            if not isinstance(below, dict):
                below = {} if below is None else {"": below}
                place[step] = below
            place = below
        if isinstance(place.get(last), dict):
            place[last][""] = value
        else:
            place[last] = value
    return _with_lists(tree)


def json_of(value: Any) -> str:
    """Return a value as JSON text."""
    return msgspec.json.encode(value).decode()


def json_or_text(value: Any, *, is_text: bool = False) -> str:
    """Return the JSON text of a value: of a string that is itself JSON, that JSON, unless it is said to be text."""
    if not isinstance(value, str):
        return json_of(value)
    if not is_text and value.lstrip()[:1] in _JSON_OPENERS and (document := parsed_text(value)) is not None:
        return document
    return json_of(value)


def parsed_text(text: str) -> str | None:
    """Return JSON text fit to be stored, or None where `text` is no JSON."""
    storable = normalised(text.encode())
    try:
        _VALID.decode(storable)
    except (msgspec.DecodeError, RecursionError):
        return None
    return storable.decode()


def object_of(text: str | None) -> dict[str, Any] | None:
    """Return the object that a JSON text holds, or None where it holds none."""
    document = None if text is None else parsed_text(text)
    found = None if document is None else msgspec.json.decode(document)
    return found if isinstance(found, dict) else None


def _with_lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    inside = {name: _with_lists(value) for name, value in tree.items()}
    if inside and all(name.isdecimal() and len(name) <= len(str(ITEMS_MAX)) for name in inside):
        return [inside[name] for name in sorted(inside, key=int)]
    return inside
