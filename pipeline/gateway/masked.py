"""The fields of records that masking looks at, and the records made anew without what it finds.

What is looked at is what people write: input, output, metadata and error text of traces and spans, the reasons of
scores, the texts of comments, and everything that a dead letter keeps. Names, tags and ids are not: by them events are
found and grouped. Where a rule cannot be applied, the value is left out as a whole rather than kept unmasked.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pipeline.events.dead_letters import bytes_of
from pipeline.events.envelope import HEADER_KIND, Kind, Record
from pipeline.gateway.masking import Counts, Expressions, Path, replace_at

DOCUMENTS: Final = ("input", "output", "metadata", "error_info")
"""Fields of traces and spans that hold JSON text."""
LEFT_OUT: Final = "[masked]"
"""Stands in place of a whole value to which the rules cannot be applied."""
UNMASKABLE: Final = "unmaskable"
"""The rule under which such values are counted."""

_ENTITIES: Final = frozenset({b"trace", b"span"})
_DEAD_LETTER: Final[Kind] = "dead-letter"
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError)


class Masks:
    """What is masked in one workspace."""

    def __init__(self, expressions: Expressions | None, paths: Sequence[Path]) -> None:
        self._expressions: Final = expressions
        self._paths: Final = paths

    def record(self, record: Record, counts: Counts, *, bytes_max: int) -> Record:
        """Return `record` without what the rules find in it; the same object where that is nothing.

        Replacements may be longer than what they replace; an event that comes to exceed `bytes_max` keeps none of it.
        """
        if not record.value:
            return record
        event: dict[str, Any] = msgspec.json.decode(record.value)
        kind = dict(record.headers).get(HEADER_KIND, b"")
        if not self._event(event, kind, counts):
            return record
        value = msgspec.json.encode(event)
        if len(value) > bytes_max:
            counts[UNMASKABLE] = counts.get(UNMASKABLE, 0) + 1
            value = msgspec.json.encode(_without(event, kind))
        return msgspec.structs.replace(record, value=value)

    def _event(self, event: dict[str, Any], kind: bytes, counts: Counts) -> bool:
        """Mask the fields of one event in place, and tell whether anything changed."""
        if kind in _ENTITIES:
            documents = {name: event[name] for name in DOCUMENTS if event.get(name)}
            changed = {name: self._document(name, text, counts) for name, text in documents.items()}
            event |= changed
            return changed != documents
        if kind == _DEAD_LETTER.encode():
            return self._dead_letter(event, counts)
        texts = event.get("score") or event  # the command to score a thread carries the score
        masks_reason, masks_text = (self._text(texts, name, counts) for name in ("reason", "text"))
        return masks_reason or masks_text

    def _text(self, event: dict[str, Any], name: str, counts: Counts) -> bool:
        if self._expressions is None or not event.get(name):
            return False
        text = event[name].encode()
        masked = self._expressions.in_text(text, counts)
        event[name] = masked.decode(errors="replace")
        return masked is not text

    def _document(self, name: str, text: str, counts: Counts) -> str:
        paths = [path for path in self._paths if _may_lead_into(path, name, text)]
        if paths:
            text = self._at_paths(paths, name, text, counts)
        if self._expressions is None:
            return text
        octets = text.encode()
        masked = self._expressions.in_json(octets, counts)
        return text if masked is octets else masked.decode(errors="replace")

    def _at_paths(self, paths: Sequence[Path], name: str, text: str, counts: Counts) -> str:
        try:
            document = {name: msgspec.json.decode(text)}
            if not _replaced(paths, document, counts):
                return text
            return msgspec.json.encode(document[name]).decode()
        except _UNDECODABLE:
            counts[UNMASKABLE] = counts.get(UNMASKABLE, 0) + 1
            return msgspec.json.encode(LEFT_OUT).decode()

    def _dead_letter(self, event: dict[str, Any], counts: Counts) -> bool:
        """Mask the reason and the original bytes, which may be no JSON at all."""
        reason_changed = self._text(event, "reason", counts)
        original = bytes_of(event.get("value")) or b""
        masked = original
        if self._paths:
            try:
                document = msgspec.json.decode(original)
                masked = msgspec.json.encode(document) if _replaced(self._paths, document, counts) else original
            except (*_UNDECODABLE, UnicodeError):
                counts[UNMASKABLE] = counts.get(UNMASKABLE, 0) + 1
                masked = LEFT_OUT.encode()
        if self._expressions is not None:
            # By tokens for what is escaped, then as it is for what stands in no string that ends.
            masked = self._expressions.in_text(self._expressions.in_json(masked, counts), counts)
        event["value"] = base64.b64encode(masked).decode()
        return reason_changed or masked != original


def _replaced(paths: Sequence[Path], document: Any, counts: Counts) -> int:
    total = 0
    for path in paths:
        if replaced := replace_at(path, document):
            counts[path.name] = counts.get(path.name, 0) + replaced
            total += replaced
    return total


def _may_lead_into(path: Path, name: str, text: str) -> bool:
    """Tell whether a path may name anything of the document `name`; names in escapes cannot be seen from outside."""
    kind, first = path.steps[0]
    if not kind and first != name:
        return False
    return "\\u" in text or all(member in text for member in path.members if member != name)


def _without(event: dict[str, Any], kind: bytes) -> dict[str, Any]:
    if kind == _DEAD_LETTER.encode():
        return {**event, "value": base64.b64encode(LEFT_OUT.encode()).decode()}
    if kind in _ENTITIES:
        return {**event, **{name: msgspec.json.encode(LEFT_OUT).decode() for name in DOCUMENTS if event.get(name)}}
    if event.get("score"):
        return {**event, "score": _without(event["score"], b"")}
    return {**event, **{name: LEFT_OUT for name in ("reason", "text") if event.get(name)}}
