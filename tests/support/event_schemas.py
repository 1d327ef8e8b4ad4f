"""Check an event the way a producer in another language would: against the published JSON Schema."""

import json
from functools import cache
from pathlib import Path

import jsonschema
import msgspec

SCHEMAS = Path(__file__).parents[2] / "schemas" / "events"


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.v1.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def fields_of(value: bytes | None) -> dict[str, object]:
    """Return the fields of the one line of JSON that a record's value must be."""
    assert value is not None
    assert b"\n" not in value
    fields = json.loads(value)
    assert isinstance(fields, dict)
    return fields


def check_round_trip(name: str, event: msgspec.Struct, value: bytes | None) -> None:
    """Check that `value` is valid by the schema `name` and decodes to what it was made from."""
    validator(name).validate(fields_of(value))
    assert msgspec.json.decode(value or b"", type=type(event)) == event
