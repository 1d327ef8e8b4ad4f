"""The configuration of a workspace as Opik's clients write and read it, and the durations in it."""

from datetime import timedelta
from typing import Final

import msgspec

from pipeline.errors import Unprocessable
from pipeline.events.controls import ScoreRegime, Setting
from pipeline.settings import TIMEOUT_MS_MAX

_TIMEOUT: Final = "timeout_to_mark_thread_as_inactive"
_SHOWN_CHARACTERS_MAX: Final = 40


class WorkspaceConfiguration(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a workspace has set of its own. `thread_score_regime` is Threadline's, the others are Opik's."""

    timeout_to_mark_thread_as_inactive: str | None = None
    truncation_on_tables: bool | None = None
    color_map: dict[str, str] | None = None
    thread_score_regime: ScoreRegime | None = None


def configuration_of(setting: Setting) -> WorkspaceConfiguration:
    """Return what a setting says, as clients read it."""
    return WorkspaceConfiguration(
        timeout_to_mark_thread_as_inactive=None if setting.timeout_ms is None else iso_duration(setting.timeout_ms),
        truncation_on_tables=setting.truncation_on_tables,
        color_map=setting.color_map,
        thread_score_regime=setting.score_regime,
    )


def timeout_ms_of(text: str) -> int:
    """Return an ISO-8601 duration in milliseconds.

    Raises Unprocessable, naming the field, where it is none, no whole seconds, nothing, or more than 7 days.
    """
    shown = repr(text[:_SHOWN_CHARACTERS_MAX])
    try:
        duration = msgspec.convert(text, timedelta)
    except msgspec.ValidationError as error:
        reason = f"{_TIMEOUT} must be an ISO-8601 duration of at most 7 days, such as PT30M, not {shown}"
        raise Unprocessable(reason, field=_TIMEOUT) from error
    if duration.microseconds:
        raise Unprocessable(f"{_TIMEOUT} must be whole seconds, not {shown}", field=_TIMEOUT)
    if duration <= timedelta():
        raise Unprocessable(f"{_TIMEOUT} must be longer than nothing, not {shown}", field=_TIMEOUT)
    milliseconds = duration // timedelta(milliseconds=1)
    if milliseconds > TIMEOUT_MS_MAX:
        raise Unprocessable(
            f"{_TIMEOUT}: duration exceeds the maximum allowed of {iso_duration(TIMEOUT_MS_MAX)}", field=_TIMEOUT
        )
    return milliseconds


def iso_duration(milliseconds: int) -> str:
    """Return an ISO-8601 duration in hours, minutes and seconds, as Java and so Opik prints it: PT168H, PT1M30S."""
    seconds, thousandths = divmod(milliseconds, 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    left = f"{seconds % 60}.{thousandths:03}".rstrip("0").rstrip(".") if thousandths else str(seconds % 60)
    parts = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{left}S" * (left != "0")
    return f"PT{parts or '0S'}"
