"""A real Prometheus beside a running stack, with our rules made quick."""

import asyncio
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import yaml

from pipeline.local.process import ChildProcess, free_port
from tests.support.waiting import eventually

ALERTS: Final = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"
START_SECONDS_MAX: Final = 180.0
SCRAPE_INTERVAL: Final = "200ms"


def quick(rules: str, *, window: str, wait: str) -> str:
    """Return our rules with every range of time, and every wait before an alert fires, as given."""
    return re.sub(r"\[\d+[mh]\]", f"[{window}]", re.sub(r"(?m)^(\s+for:) \d+[smh]$", rf"\1 {wait}", rules))


class Prometheus:
    """Scrapes the operator's ports it is given, and judges our rules."""

    def __init__(self, folder: Path, targets: Mapping[str, int], rules: str) -> None:
        self._folder: Final = folder
        self._port: Final = free_port()
        self._child: ChildProcess | None = None
        folder.mkdir(parents=True)
        (folder / "alerts.yaml").write_text(rules)
        scraped = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"process": name}} for name, port in sorted(targets.items())
        ]
        configuration = {
            "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
            "rule_files": ["alerts.yaml"],
            "scrape_configs": [{"job_name": "threadline", "static_configs": scraped}],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))

    async def __aenter__(self) -> Self:
        """Start it, and return when it answers."""
        argv = [
            "prometheus",
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        ]
        self._child = await ChildProcess.start(argv)
        await eventually(self._is_ready, bool, seconds_max=START_SECONDS_MAX)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        assert self._child is not None
        await self._child.kill()

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression gives now; raises AssertionError where it is refused."""
        found = await self._ask(f"query?{urllib.parse.urlencode({'query': expression})}")
        assert found["resultType"] == "vector", expression
        series: list[dict[str, Any]] = found["result"]
        return series

    async def targets(self) -> dict[str, str]:
        """Return the health of every target, by the process that it is."""
        found = await self._ask("targets")
        return {target["labels"]["process"]: target["health"] for target in found["activeTargets"]}

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule as it was last judged."""
        return [rule for group in (await self._ask("rules"))["groups"] for rule in group["rules"]]

    async def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        found = await self._ask("alerts")
        return {alert["labels"]["alertname"] for alert in found["alerts"] if alert["state"] == "firing"}

    async def fires(self, name: str, *, seconds_max: float) -> None:
        """Return when an alert fires."""
        await eventually(self.firing, lambda names: name in names, seconds_max=seconds_max)

    async def falls_silent(self, name: str, *, seconds_max: float) -> None:
        """Return when an alert does not fire any more."""
        await eventually(self.firing, lambda names: name not in names, seconds_max=seconds_max)

    async def _is_ready(self) -> bool:
        try:
            await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{self._port}/-/ready")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    async def _ask(self, path: str) -> Any:
        return await asyncio.to_thread(_data_of, f"http://127.0.0.1:{self._port}/api/v1/{path}")


def _data_of(url: str) -> Any:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            return json.loads(answer.read())["data"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()}") from error
