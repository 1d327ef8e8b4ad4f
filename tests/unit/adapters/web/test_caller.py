import pytest

from pipeline.adapters.web.caller import caller_of
from pipeline.errors import Malformed
from tests.support.asgi import request_of


def workspace_of(header: str | None) -> str:
    headers = {} if header is None else {"Comet-Workspace": header}
    return caller_of(request_of(headers=headers), workspace_bytes_max=20).workspace


@pytest.mark.parametrize(
    ("header", "workspace"),
    [
        (None, "default"),
        ("", "default"),
        ("   ", "default"),
        ("default", "default"),
        (" acme ", "acme"),
        ("Acme", "Acme"),
        ("a" * 20, "a" * 20),
        ("zoë".encode().decode("latin-1"), "zoë"),
    ],
)
def test_the_workspace_is_the_header_or_default(header: str | None, workspace: str) -> None:
    assert workspace_of(header) == workspace


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("a" * 21, "longer than 20 bytes"),
        ("ä".encode().decode("latin-1") * 11, "longer than 20 bytes"),
        ("a\tb", "control characters"),
        ("a\0b", "control characters"),
        ("a\x85b".encode().decode("latin-1"), "control characters"),
        ("zo\xeb", "not UTF-8"),
    ],
)
def test_a_workspace_that_cannot_be_part_of_a_key_is_refused(header: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        workspace_of(header)
