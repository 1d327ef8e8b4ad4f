import json

import jsonschema
import pytest

from pipeline.events.json_schemas import documents


@pytest.mark.parametrize("name", documents())
def test_every_document_is_a_json_schema_of_one_object(name: str) -> None:
    schema = json.loads(documents()[name])
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert not jsonschema.Draft202012Validator(schema).is_valid([])
    assert documents()[name].endswith(b"\n")


def test_a_file_is_named_by_its_event_and_the_version() -> None:
    assert {name.split(".", 1)[1] for name in documents()} == {"v1.json"}
    assert {name.split(".", 1)[0] for name in documents()} == {
        "trace", "span", "score", "annotation", "thread", "command", "command_reply", "setting", "dead_letter",
        "log_birth", "rule",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["trace.v1.json", "span.v1.json", "score.v1.json", "annotation.v1.json"])
def test_the_common_fields_are_required(name: str) -> None:
    schema = json.loads(documents()[name])
    [struct] = [definition for definition in schema["$defs"].values() if "workspace" in definition["properties"]]

    assert {"workspace", "version_us", "received_at_us"} <= set(struct["required"])


def test_the_documents_are_the_same_each_time() -> None:
    assert documents() == documents()
