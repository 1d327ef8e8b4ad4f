"""Run the embedded ClickHouse as a process: `python -m pipeline.local.clickhouse --port 8123 --path DIR`."""

import socket
from pathlib import Path

import click
import uvicorn

from pipeline.adapters.clock import SystemClock
from pipeline.local.clickhouse.engine import Engine
from pipeline.local.clickhouse.server import clickhouse_app

SHUTDOWN_SECONDS_MAX = 1
IDLE_CONNECTION_SECONDS = 60


class _Server(uvicorn.Server):
    """Says where it listens once it does, for whoever started it with port 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            click.echo(f"clickhouse listens on 127.0.0.1:{listener.getsockname()[1]}")


@click.command()
@click.option("--port", default=8123, show_default=True, help="Port on 127.0.0.1; 0 chooses a free one.")
@click.option(
    "--path", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory of the database."
)
def main(port: int, path: Path) -> None:
    """Serve the ClickHouse HTTP interface until SIGTERM."""
    configuration = uvicorn.Config(
        clickhouse_app(Engine(path), SystemClock()),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
    )
    listening = configuration.bind_socket()
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as ClickHouse does; connections inherit it
    _Server(configuration).run(sockets=[listening])


if __name__ == "__main__":
    main()
