"""`threadline dev` as a person starts it, for tests of the whole."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.local import process
from pipeline.local.process import free_port

START_SECONDS_MAX = 180
STOP_SECONDS_MAX = 180
READY = "Threadline is ready"
TETHER = Path(process.__file__).with_name("tether.py")


class RunningStack:
    """A running `threadline dev`; leaving the block stops it by SIGINT, as Ctrl-C does."""

    def __init__(
        self, data_dir: Path, *arguments: str, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        argv = [sys.executable, "-m", "pipeline", "dev", "--data-dir", str(data_dir), "--port", str(self.port)]
        # It ends with us, however we end: a test run that was killed leaves nothing that slows the next one down.
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid())] if sys.platform == "linux" else []
        self._process = subprocess.Popen(
            [*tether, *argv, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            self.wait_for_line(READY, START_SECONDS_MAX)
        except BaseException:
            self._process.kill()  # its processes end with it
            self.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self.stop()
        if error is not None:
            sys.stdout.write("\n".join(self.lines[-60:]))
        else:
            assert code == 0, self.output

    @property
    def output(self) -> str:
        """Everything it has printed."""
        return "\n".join(self.lines)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_for_line(self, text: str, seconds_max: float) -> str:
        """Return the next line that contains `text`."""
        while True:
            try:
                line = self._new.get(timeout=seconds_max)
            except queue.Empty:
                raise AssertionError(f"no line {text!r} within {seconds_max} s:\n{self.output}") from None
            assert line is not None, f"ended before it said {text!r}:\n{self.output}"
            if text in line:
                return line

    def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends by itself and return the exit code."""
        try:
            code = self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"still there after {STOP_SECONDS_MAX} s:\n{self.output}") from None
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            self._new.put(line.rstrip())
        self._new.put(None)
