"""The configuration of a workspace: how long its threads may be silent, and which of their scores are taken.

It stands in the log of threads, in every partition, so that each thread meets it at one point of its own life. It is in
force for open threads as soon as the stream has read it, a fraction of a second after the answer; `query.workspaces`
reads it back from what the sinks have stored of the log, about as soon. A request stands for the whole configuration:
what it leaves out is taken back.
"""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.adapters.web.configuration import WorkspaceConfiguration, configuration_of, timeout_ms_of
from pipeline.adapters.web.failures import answer_json
from pipeline.errors import Unprocessable
from pipeline.events.controls import Setting
from pipeline.gateway.intake import Intake
from pipeline.gateway.opik.batch import bounded, decoded
from pipeline.gateway.opik.values import Reception
from pipeline.topics import TRACES

COLORS_MAX: Final = 10_000
"""Most entries of `color_map` (Opik's limit)."""
SETTING_BYTES_MAX: Final = 256 * 1024
"""Largest setting, encoded: it is written once for each partition."""

_CONFIGURATION: Final = msgspec.json.Decoder(WorkspaceConfiguration)


def configured(body: WorkspaceConfiguration, reception: Reception) -> Setting:
    """Return the setting that a configuration means; raises Unprocessable for values that may not be set."""
    timeout = body.timeout_to_mark_thread_as_inactive
    colors = body.color_map
    if colors is not None and len(colors) > COLORS_MAX:
        raise Unprocessable(f"color_map must have at most {COLORS_MAX} entries, not {len(colors)}", field="color_map")
    return Setting(
        workspace=reception.workspace,
        requested_at_us=reception.clock.now_us(),
        timeout_ms=None if timeout is None else timeout_ms_of(timeout),
        score_regime=body.thread_score_regime,
        truncation_on_tables=body.truncation_on_tables,
        color_map=colors,
    )


class Workspaces:
    """The routes that configure a workspace."""

    def __init__(self, intake: Intake) -> None:
        self._intake: Final = intake

    async def configure(self, request: Request) -> Response:
        """PUT workspaces/configurations: answers the configuration as it was understood."""
        async with self._intake.open(request) as (body, reception):
            setting = configured(decoded(_CONFIGURATION, body), reception)
            await self._write(setting)
        return answer_json(configuration_of(setting))

    async def reset(self, request: Request) -> Response:
        """DELETE workspaces/configurations: what holds for all workspaces holds again."""
        reception = self._intake.reception(request)
        await self._write(Setting(workspace=reception.workspace, requested_at_us=reception.clock.now_us()))
        return Response(status_code=204)

    async def _write(self, setting: Setting) -> None:
        bounded(setting.record(0), SETTING_BYTES_MAX)
        await self._intake.publisher.publish_everywhere(TRACES, setting.record)
