import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.web.configuration import WorkspaceConfiguration, configuration_of, iso_duration, timeout_ms_of
from pipeline.errors import Unprocessable
from pipeline.events.controls import Setting
from pipeline.settings import TIMEOUT_MS_MAX

FIELD = "timeout_to_mark_thread_as_inactive"
FORM = f"{FIELD} must be an ISO-8601 duration of at most 7 days, such as PT30M, not"


@pytest.mark.parametrize(
    ("text", "seconds", "printed"),
    [
        ("PT30M", 1800, "PT30M"),
        ("PT1S", 1, "PT1S"),
        ("PT90S", 90, "PT1M30S"),
        ("P1D", 86_400, "PT24H"),
        ("P1DT2H3M4S", 93_784, "PT26H3M4S"),
        ("PT0.5H", 1800, "PT30M"),
        ("PT3600S", 3600, "PT1H"),
        ("P7D", 604_800, "PT168H"),
        ("PT168H", 604_800, "PT168H"),
    ],
)
def test_a_duration_is_read_and_printed_as_opik_does(text: str, seconds: int, printed: str) -> None:
    assert timeout_ms_of(text) == seconds * 1000
    assert iso_duration(seconds * 1000) == printed


@given(st.integers(1, TIMEOUT_MS_MAX // 1000))
def test_what_is_printed_is_read_as_the_same(seconds: int) -> None:
    assert timeout_ms_of(iso_duration(seconds * 1000)) == seconds * 1000


@pytest.mark.parametrize(("milliseconds", "printed"), [(1500, "PT1.5S"), (60_050, "PT1M0.05S"), (0, "PT0S")])
def test_a_duration_that_no_client_may_set_is_printed_all_the_same(milliseconds: int, printed: str) -> None:
    assert iso_duration(milliseconds) == printed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("30m", f"{FORM} '30m'"),
        ("", f"{FORM} ''"),
        ("P1M", f"{FORM} 'P1M'"),
        ("P" + "9" * 50 + "D", f"{FORM} 'P{'9' * 39}'"),
        ("PT1.5S", f"{FIELD} must be whole seconds, not 'PT1.5S'"),
        ("PT0S", f"{FIELD} must be longer than nothing, not 'PT0S'"),
        ("-PT5M", f"{FIELD} must be longer than nothing, not '-PT5M'"),
        ("PT168H1S", f"{FIELD}: duration exceeds the maximum allowed of PT168H"),
        ("P8D", f"{FIELD}: duration exceeds the maximum allowed of PT168H"),
    ],
)
def test_a_duration_that_may_not_be_set_is_refused_with_the_field_and_why(text: str, reason: str) -> None:
    with pytest.raises(Unprocessable) as refusal:
        timeout_ms_of(text)

    assert (refusal.value.reason, refusal.value.field) == (reason, FIELD)


def test_a_setting_is_shown_without_what_it_does_not_say() -> None:
    assert configuration_of(Setting(workspace="w", requested_at_us=1)) == WorkspaceConfiguration()
    shown = configuration_of(
        Setting(timeout_ms=60_000, score_regime="strict", truncation_on_tables=True, color_map={"a": "b"})
    )
    assert shown == WorkspaceConfiguration(
        timeout_to_mark_thread_as_inactive="PT1M",
        thread_score_regime="strict",
        truncation_on_tables=True,
        color_map={"a": "b"},
    )
