from pathlib import Path

# Modules without a test file of their own, and where they are tested instead.
TESTED_ELSEWHERE = {
    "pipeline/__main__.py": "tests/integration/commands: every process is started through it",
    "pipeline/cli.py": "tests/integration/test_readme.py runs the commands",
    "pipeline/commands/bench/bare_client.py": "tests/integration/commands/bench: it runs only as a child",
    "pipeline/commands/bench/fairness.py": "tests/fault/test_gateway.py: it takes a while",
    "pipeline/commands/bench/greedy_client.py": "tests/fault/test_gateway.py: it runs only as a child",
    "pipeline/commands/bench/our_gateway.py": "tests/integration/commands/bench: it runs a process",
    "pipeline/commands/bench/bare_sink.py": "tests/integration/commands/bench: it runs only as a child",
    "pipeline/commands/bench/stock_faust.py": "tests/integration/commands/bench: it runs only as a child",
    "pipeline/commands/bench/peer_bytewax.py": "it runs only in an environment of its own",
    "pipeline/commands/demo_result.py": "tests/integration/commands/test_demo.py",
    "pipeline/commands/sample_run.py": "tests/integration/commands/test_demo.py",
    "pipeline/evaluators/session.py": "tests/integration/evaluators/test_loop.py: it is what becomes of each session",
    "pipeline/evaluators/stage.py": "tests/integration/commands/test_evaluate.py: the command runs nothing else",
    "pipeline/local/kafka_probe.py": "tests/integration/local/test_broker.py: it asks a real broker",
    "pipeline/local/stack.py": "tests/integration/commands: demo and dev are made of it",
    "pipeline/commands/rebuild.py": "tests/integration/commands/test_replay.py: it undoes what the replay is beside",
    "pipeline/commands/erase_choice.py": "tests/integration/commands/test_erase.py: the command begins with it",
    "pipeline/sinks/erasure_sql.py": "tests/integration/sinks/test_erasure.py: only ClickHouse can tell",
    "pipeline/sinks/retention_sql.py": "tests/integration/sinks/test_retention.py: only ClickHouse can tell",
    "pipeline/sinks/upkeep.py": "tests/integration/commands/test_erase.py: a sink does it",
    "pipeline/sinks/letters.py": "tests/integration/commands/test_dlq.py: it asks real storage",
    "pipeline/stream/fenced_producer.py": "tests/integration/stream/test_fence.py: it is what fences",
    "pipeline/stream/bulk.py": "tests/integration/stream/test_worker.py: it replaces the inside of Faust's consumer",
    "pipeline/stream/table.py": "tests/integration/stream/test_worker.py: it replaces the inside of Faust's recovery",
    "pipeline/local/tether.py": "tests/unit/local/test_process.py: it runs only as a child",
    "pipeline/local/clickhouse/__main__.py": "tests/integration/local/clickhouse: it runs only as a child",
}
NO_LOGIC = {"__init__.py"}


def mirrors_of(module: Path, root: Path) -> list[Path]:
    inside = module.relative_to("pipeline")
    return [
        path
        for kind in ("unit", "integration", "contract")
        if (path := root / "tests" / kind / inside.parent / f"test_{inside.name}").exists()
    ]


def test_every_module_has_a_test_at_the_same_path(sources: dict[Path, str], root: Path) -> None:
    missing = [
        str(module)
        for module in sources
        if module.name not in NO_LOGIC and str(module) not in TESTED_ELSEWHERE and not mirrors_of(module, root)
    ]

    assert missing == []


def test_every_unit_test_has_a_module_at_the_same_path(root: Path) -> None:
    unit = root / "tests" / "unit"
    orphans = [
        str(test.relative_to(root))
        for test in unit.rglob("test_*.py")
        if not (root / "pipeline" / test.relative_to(unit).with_name(test.name.removeprefix("test_"))).exists()
    ]

    assert orphans == []


def test_exceptions_from_the_rule_still_exist(root: Path) -> None:
    assert [module for module in TESTED_ELSEWHERE if not (root / module).exists()] == []
