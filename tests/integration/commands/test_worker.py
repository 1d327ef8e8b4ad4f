from collections.abc import Mapping

from tests.support.command import RunningStage, migrate, run_command


async def test_it_is_alive_and_ready_shows_its_metrics_and_drains_on_sigterm(environment: Mapping[str, str]) -> None:
    await migrate(environment)

    stage = await RunningStage.start(environment, "worker")

    assert (await stage.ask("/healthz"))[0] == 200
    assert (await stage.ask("/readyz"))[0] == 200
    assert "threadline_stream_open_threads" in (await stage.ask("/metrics"))[1]
    assert await stage.drain() == 0


async def test_without_topics_it_ends_with_a_sentence(environment: Mapping[str, str]) -> None:
    code, said = await run_command(environment, "worker")

    assert code == 1
    assert "threadline migrate" in said
