"""Parse the command line, load the settings, run one command.

Commands are imported when called, so that each process loads only its own stage.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline import settings
from pipeline.errors import ThreadlineError

if TYPE_CHECKING:
    from pipeline.sinks.letters import Filters

_TIMES: Final = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(version("threadline"), prog_name="threadline")
def threadline() -> None:
    """Turn a stream of LLM traces into conversations."""
    from pipeline.adapters.telemetry import logs  # noqa: PLC0415

    logs.keep_off_stdout()


@threadline.command()
def serve() -> None:
    """Take events in, answer queries, show the page: the HTTP side."""
    from pipeline.commands import serve as command  # noqa: PLC0415

    sys.exit(command.run(settings.load()))


@threadline.command()
def worker() -> None:
    """Keep the lives of threads: the Faust stream."""
    from pipeline.commands import worker as command  # noqa: PLC0415

    sys.exit(command.run(settings.load()))


@threadline.command()
def sink() -> None:
    """Store events in ClickHouse."""
    from pipeline.commands import sink as command  # noqa: PLC0415

    sys.exit(command.run(settings.load()))


@threadline.command()
def evaluate() -> None:
    """Score closed threads."""
    from pipeline.commands import evaluate as command  # noqa: PLC0415

    sys.exit(command.run(settings.load()))


@threadline.command()
def migrate() -> None:
    """Bring topics and tables to the declared state."""
    from pipeline.commands import migrate as command  # noqa: PLC0415

    command.run(settings.load())


@threadline.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option("--by-partition", is_flag=True, help="A line for each partition.")
def reconcile(*, as_json: bool, by_partition: bool) -> None:
    """Count, per topic, what was accepted and what became of it; exit 1 where something is missing."""
    from pipeline.commands import reconcile as command  # noqa: PLC0415

    sys.exit(command.run(settings.load(), as_json=as_json, by_partition=by_partition))


@threadline.group()
def dlq() -> None:
    """Dead letters: what was set aside, why, and once more into the log."""


def _letter_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which letters."""
    for option in (
        click.option("--limit", "letters_max", type=click.IntRange(min=1), default=None, help="Most letters."),
        click.option("--until", type=click.DateTime(_TIMES), help="Received before this time, UTC."),
        click.option("--since", type=click.DateTime(_TIMES), help="Received at this time or later, UTC."),
        click.option("--code", type=int, help="ClickHouse's code; 0: it gave none."),
        click.option("--workspace"),
        click.option("--stage", help="Who set it aside: gateway, sinks."),
        click.option("--topic"),
        click.option("--id", "letter_id", help="One letter."),
    ):
        command = option(command)
    return command


@dlq.command(name="list")
@_letter_filters
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
def dlq_list(*, letters_max: int | None, as_json: bool, **said: Any) -> None:
    """List letters, the newest first."""
    from pipeline.commands import dlq as command  # noqa: PLC0415

    command.show_all(settings.load(), _filters(**said), letters_max=letters_max or 100, as_json=as_json)


@dlq.command(name="show")
@click.argument("letter_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def dlq_show(*, letter_id: str, as_json: bool) -> None:
    """Show one letter with its bytes, headers and reason."""
    from pipeline.commands import dlq as command  # noqa: PLC0415

    command.show(settings.load(), letter_id, as_json=as_json)


@dlq.command(name="replay")
@_letter_filters
@click.option("--again", is_flag=True, help="Those too that were replayed before; their rows do not change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def dlq_replay(*, letters_max: int | None, again: bool, as_json: bool, **said: Any) -> None:
    """Publish letters once more where they stood, when what was wrong has been put right."""
    from pipeline.commands import dlq as command  # noqa: PLC0415

    command.replay(
        settings.load(), _filters(**said), letters_max=letters_max or 1_000_000, again=again, as_json=as_json
    )


def _filters(*, letter_id: str | None, since: datetime | None, until: datetime | None, **said: Any) -> "Filters":
    from pipeline.sinks.letters import Filters  # noqa: PLC0415

    return Filters(id=letter_id, since_us=_microseconds(since), until_us=_microseconds(until), **said)


def _microseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.replace(tzinfo=UTC).timestamp() * 1_000_000)


@threadline.command()
@click.option("--topic", required=True)
@click.option("--from", "begin", help="An offset, or a time such as 2026-11-23T08:00:00.  [default: the first record]")
@click.option("--to", "end", help="The same; it is excluded.  [default: the end]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a line.")
def replay(*, topic: str, begin: str | None, end: str | None, as_json: bool) -> None:
    """Store a range of a topic once more, without disturbing the sinks; rows that are there do not change."""
    from pipeline.commands import replay as command  # noqa: PLC0415

    command.run(settings.load(), topic, begin, end, as_json=as_json)


@threadline.command()
@click.option("--project", required=True, help="The project's name.")
@click.option("--workspace", default="default", show_default=True)
@click.option(
    "--filter",
    "filter_",
    default="",
    metavar="FILTER",
    help='Which threads, in the language of the SDK: status = "inactive" and tags contains "x".  [default: all]',
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    default="jsonl",
    show_default=True,
    help="jsonl: a line a conversation; csv and parquet: a row a trace.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="-",
    help="The file.  [default: the standard output]",
)  # fmt: skip
def export(*, project: str, workspace: str, filter_: str, format_: str, output: Path) -> None:
    """Write whole conversations: threads, their traces, scores, comments and tags."""
    from pipeline.commands import export as command  # noqa: PLC0415

    wanted = command.Wanted(workspace=workspace, project=project, filter=filter_, format=format_)
    command.run(settings.load(), wanted, None if str(output) == "-" else output)


@threadline.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def rebuild(*, as_json: bool) -> None:
    """Make the tables that reading lists come from anew from the events: traces, spans, threads, sessions."""
    from pipeline.commands import rebuild as command  # noqa: PLC0415

    command.run(settings.load(), as_json=as_json)


@threadline.command()
@click.option("--workspace", default="default", show_default=True)
@click.option("--project", "project_name", default="Default Project", show_default=True)
@click.option("--thread", "thread_ids", multiple=True, help="The id of a thread; may be given again.")
@click.option(
    "--filter", "thread_filters", metavar="JSON", help="Threads that match, in the filter language of the API."
)
@click.option(
    "--trace-filter", "trace_filters", metavar="JSON", help="Threads of which any trace matches, e.g. metadata."
)
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and leave it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.option(
    "--wait-seconds", type=click.FloatRange(min=0), default=300.0, show_default=True,
    help="How long the sinks may take to come so far.",
)  # fmt: skip
def erase(*, dry_run: bool, yes: bool, as_json: bool, wait_seconds: float, **said: Any) -> None:
    """Erase what was said in threads from every table, and keep it from coming back; Kafka forgets by retention."""
    from pipeline.commands import erase as command  # noqa: PLC0415
    from pipeline.commands.erase_choice import Choice  # noqa: PLC0415

    choice = Choice(**said)
    sys.exit(command.run(settings.load(), choice, dry_run=dry_run, yes=yes, as_json=as_json, wait_seconds=wait_seconds))


@threadline.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
def reseed(*, as_json: bool) -> None:
    """Make the open threads anew from storage, where the stream's changelog, or the whole log, is lost."""
    from pipeline.commands import reseed as command  # noqa: PLC0415

    command.run(settings.load(), as_json=as_json)


@threadline.command()
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path(".threadline"), show_default=True)
@click.option("--port", type=int, default=8080, show_default=True, help="Port of the page and the API.")
@click.option("--thread-timeout", default=None, help="Silence that closes a thread, e.g. 15m or 3s.")
@click.option("--sample", is_flag=True, help="Play real dialogues, faster than life.")
def dev(*, data_dir: Path, port: int, thread_timeout: str | None, sample: bool) -> None:
    """Run the whole stack on this machine, each stage as a process of its own."""
    from pipeline.commands import dev as command  # noqa: PLC0415

    sys.exit(command.run(data_dir=data_dir, port=port, thread_timeout=thread_timeout, sample=sample))


@threadline.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option(
    "--kill",
    "kills",
    multiple=True,
    type=click.Choice(["worker", "evaluate", "sink", "clickhouse"]),
    help="Kill this process by -9 midway; may be given several times, they are killed one after another.",
)
@click.option("--conversations", type=int, default=300, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def demo(*, as_json: bool, kills: tuple[str, ...], conversations: int, seed: int) -> None:
    """Play real dialogues through the whole stack once, and check that nothing was lost."""
    from pipeline.commands import demo as command  # noqa: PLC0415

    sys.exit(command.run(as_json=as_json, kills=kills, conversations=conversations, seed=seed))


@threadline.group()
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), envvar="THREADLINE_GATEWAY_KEYS_FILE", required=True,
    help="The file of keys.  [env: THREADLINE_GATEWAY_KEYS_FILE]",
)  # fmt: skip
@click.pass_context
def keys(context: click.Context, file: Path) -> None:
    """Make, list and revoke API keys; a running `serve` takes the change within seconds."""
    context.obj = file


@keys.command("create")
@click.option("--name", required=True, help="Whose key it is, for the list.")
@click.option("--workspace", "workspaces", multiple=True, help="A workspace that the key holds; * for every one.")
@click.option(
    "--right", "rights", multiple=True, type=click.Choice(["ingest", "read", "annotate", "admin"]),
    help="What its holder may do.  [default: ingest, read, annotate]",
)  # fmt: skip
@click.option("--days", type=click.IntRange(min=1), default=None, help="The key expires after so many days.")
@click.option("--replaces", default=None, metavar="ID", help="Take workspaces and rights of this key, which then ends.")
@click.option(
    "--overlap-hours", type=click.FloatRange(min=0), default=24.0, show_default=True,
    help="How long the replaced key still counts.",
)  # fmt: skip
@click.pass_obj
def create_key(
    file: Path, *, name: str, workspaces: tuple[str, ...], rights: tuple[str, ...], days: int | None,
    replaces: str | None, overlap_hours: float,
) -> None:  # fmt: skip
    """Make a key and print it, the only time that it can be seen."""
    from pipeline.commands import keys as command  # noqa: PLC0415

    wanted = command.Wanted(name=name, workspaces=workspaces, rights=rights, days=days)
    click.echo(command.create(file, wanted, replaces=replaces, overlap_hours=overlap_hours))


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.pass_obj
def list_keys(file: Path, *, as_json: bool) -> None:
    """Show the keys, without what could be used as one."""
    from pipeline.commands import keys as command  # noqa: PLC0415

    command.show(file, as_json=as_json)


@keys.command("revoke")
@click.argument("identity", metavar="ID")
@click.pass_obj
def revoke_key(file: Path, identity: str) -> None:
    """End a key at once."""
    from pipeline.commands import keys as command  # noqa: PLC0415

    command.revoke(file, identity)


@threadline.group(invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """Measure each stage beside what it is built on; without a name all of them, quickly."""
    if context.invoked_subcommand is None:
        for command in bench.commands.values():
            context.invoke(command, quick=True)


@bench.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Open threads to hold.  [default: 1,000,000]")
@click.option("--quick", is_flag=True, help="Less of everything, in under 2 minutes.")
@click.option("--peers", is_flag=True, help="Bytewax' sessions, too; installs them into .cache/bench-peers.")
def stream(*, as_json: bool, threads: int | None, quick: bool, peers: bool) -> None:
    """Sessions: the bare client, Faust as its guide teaches it, our stage; then a million open threads."""
    from pipeline.commands.bench import stream as command  # noqa: PLC0415

    command.run(as_json=as_json, threads=threads, quick=quick, peers=peers)


@bench.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option("--traces", type=click.IntRange(min=2000), default=None, help="Traces to store.  [default: 1,000,000]")
@click.option("--quick", is_flag=True, help="A tenth of the traces, in under 2 minutes.")
def query(*, as_json: bool, traces: int | None, quick: bool) -> None:
    """Read over HTTP: a search, one thread, one conversation, a filtered page, with a million traces stored."""
    from pipeline.commands.bench import query as command  # noqa: PLC0415

    command.run(as_json=as_json, traces=traces, quick=quick)


@bench.command(name="evaluate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Closed threads.  [default: 20,000]")
@click.option("--quick", is_flag=True, help="A fifth of the threads.")
def bench_evaluate(*, as_json: bool, threads: int | None, quick: bool) -> None:
    """Score closed threads of ten turns by heuristics: threads a second of one core."""
    from pipeline.commands.bench import evaluate as command  # noqa: PLC0415

    command.run(as_json=as_json, threads=threads, quick=quick)


@bench.command(name="sink")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option("--quick", is_flag=True, help="Fewer events, in under 2 minutes.")
def bench_sink(*, as_json: bool, quick: bool) -> None:
    """Storage: ClickHouse's own ceiling, columns from Python, joined bytes, our sink; folding included in all."""
    from pipeline.commands.bench import sink as command  # noqa: PLC0415

    command.run(as_json=as_json, quick=quick)


@bench.command(name="gateway")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option("--quick", is_flag=True, help="Fewer requests, in under 2 minutes.")
def bench_gateway(*, as_json: bool, quick: bool) -> None:
    """Take traces in: the same work without HTTP, our gateway with one process and with two; traces a CPU second."""
    from pipeline.commands.bench import gateway as command  # noqa: PLC0415

    command.run(as_json=as_json, quick=quick)


@bench.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.option("--quick", is_flag=True, help="20 s of load instead of 60.")
@click.option("--rate", type=click.IntRange(min=1000), default=None, help="Traces a second.  [default: 8,300]")
def e2e(*, as_json: bool, quick: bool, rate: int | None) -> None:
    """Run the whole stack under a steady load: from a request to a readable row, and CPU by stage."""
    from pipeline.commands.bench import e2e as command  # noqa: PLC0415

    command.run(as_json=as_json, quick=quick, traces_per_second=rate)


@threadline.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
def schemas(folder: Path) -> None:
    """Write the JSON Schemas of the events into FOLDER."""
    from pipeline.commands import schemas as command  # noqa: PLC0415

    for path in command.run(folder):
        click.echo(path)


def main() -> None:
    """Run the command line; a fault of ours ends with one sentence and exit code 1."""
    try:
        threadline(prog_name="threadline")
    except ThreadlineError as error:
        click.echo(f"threadline: {error}", err=True)
        sys.exit(1)
