import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest
import urllib3

STOP_SECONDS_MAX = 120.0


class RunningClickHouse:
    """The server as a process of its own, and ways to talk to it."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "pipeline.local.clickhouse", "--port", "0", "--path", str(path)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # ends when the process does
        assert line.startswith("clickhouse listens on"), f"exit code {self.process.wait(STOP_SECONDS_MAX)}"
        self.port = int(line.rsplit(":", 1)[1])
        self.http = urllib3.PoolManager(retries=False)
        self._clients: list[Any] = []

    def client(self, **options: Any) -> Any:
        client = clickhouse_connect.get_client(host="127.0.0.1", port=self.port, **options)
        self._clients.append(client)
        return client

    def request(
        self, method: str = "POST", path: str = "/", body: bytes = b"", headers: Any = None, **words: Any
    ) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}?{urlencode(words)}"
        return self.http.request(method, url, body=body, headers=headers)

    def stop(self) -> int:
        for client in self._clients:
            client.close()
        self.http.clear()
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


@contextmanager
def running(path: Path) -> Iterator[RunningClickHouse]:
    clickhouse = RunningClickHouse(path)
    try:
        yield clickhouse
    finally:
        clickhouse.stop()


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClickHouse]:
    with running(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def start_clickhouse() -> Callable[[Path], Any]:
    return running
