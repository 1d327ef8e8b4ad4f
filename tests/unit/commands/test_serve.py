from pathlib import Path

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.commands.serve import access_of
from pipeline.errors import InvalidSettings
from tests.support.gateway import gateway_settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is refused here


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_without_keys_it_listens_to_this_machine(host: str) -> None:
    assert access_of(gateway_settings(host=host), ManualClock()) is None


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.1", "threadline.example"])
def test_without_keys_it_listens_to_no_other_machine_unless_told_so(host: str) -> None:
    with pytest.raises(InvalidSettings, match="THREADLINE_GATEWAY_KEYS_FILE"):
        access_of(gateway_settings(host=host), ManualClock())
    assert access_of(gateway_settings(host=host, open_to_all=True), ManualClock()) is None


def test_with_keys_it_may_listen_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"keys": []}')

    assert access_of(gateway_settings(host=EVERYWHERE, keys_file=path), ManualClock()) is not None


def test_keys_that_cannot_be_read_stop_it_even_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        access_of(gateway_settings(keys_file=tmp_path / "none"), ManualClock())
