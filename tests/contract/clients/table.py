"""The table of the README: which client does what, as the query side showed it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.contract.clients.observed import Observed, tree

BEGIN, END = "<!-- clients -->", "<!-- /clients -->"
YES, NO = "✓", "-"


NOTHING = Observed(printed="", lives={}, threads={}, traces=[], spans={})


def features(seen: Observed) -> dict[str, bool]:
    """Tell which features were seen of one client."""
    threads = seen.threads.values()
    return {
        "logs": bool(seen.traces) and all(trace.get("start_time") for trace in seen.traces),
        "groups by thread": bool(threads) and all(thread["number_of_messages"] > 0 for thread in threads),
        "spans nested": any("(" in tree(spans) for spans in seen.spans.values()),
        "usage": any((thread.get("usage") or {}).get("total_tokens", 0) > 0 for thread in threads),
        "errors": any(trace.get("error_info") for trace in seen.traces),
        "active→inactive": any(life[:1] == ["active"] and life[-1] == "inactive" for life in seen.lives.values()),
        "scores": any(thread.get("feedback_scores") for thread in threads),
    }


def markdown(rows: Mapping[str, Mapping[str, bool]]) -> str:
    """Write the table; every client has a row, every feature a column."""
    columns = list(next(iter(rows.values())))
    lines = [line(["client", *columns]), line(["---"] + [":---:"] * len(columns))]
    lines += [line([name, *(YES if row[column] else NO for column in columns)]) for name, row in rows.items()]
    return "\n".join(lines)


def line(cells: Iterable[str]) -> str:
    """Write one row."""
    return f"| {' | '.join(cells)} |"


def in_readme(readme: Path) -> str:
    """Return the table between the markers of the README."""
    _before, found, rest = readme.read_text().partition(BEGIN)
    table, ended, _after = rest.partition(END)
    assert found, f"{readme.name} lacks {BEGIN}"
    assert ended, f"{readme.name} lacks {END}"
    return table.strip()
