"""Sample conversations on their way through the gateway, with a progress bar."""

import asyncio
from functools import cached_property

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.adapters.clock import Clock
from pipeline.local.conversations import Conversation
from pipeline.local.sample import sample_conversations
from pipeline.local.schedule import TRUE_TIMEOUT_SECONDS, Pace, plan
from pipeline.local.sender import Delivery, Sender
from pipeline.settings import duration_ms

PROJECT_NAME = "Sample dialogues"
EVALUATORS = "turns,answer_latency,unanswered_questions,repetition,refusals_and_apologies"
"""What scores the sample's threads when they close."""


def pace_of(thread_timeout: str, *, seconds: float) -> Pace:
    """Return the pace at which true gaps of 15 minutes last `thread_timeout`, over a run of `seconds`."""
    speed_up = TRUE_TIMEOUT_SECONDS * 1000 / duration_ms(thread_timeout)
    return Pace.of(speed_up, spread_seconds=seconds)


class SampleRun:
    """A number of sample conversations at one pace."""

    def __init__(self, pace: Pace, *, conversations: int, seed: int) -> None:
        self.pace = pace
        self._count = conversations
        self._seed = seed
        self._answered_share = 0.0
        self._progressed = asyncio.Event()

    @cached_property
    def conversations(self) -> list[Conversation]:
        """The conversations that this run sends."""
        return sample_conversations(self._count, self.pace)

    async def answered(self, share: float) -> None:
        """Return when this share of the events is answered."""
        while self._answered_share < share:
            self._progressed.clear()
            await self._progressed.wait()

    async def send(self, base_url: str, clock: Clock, console: Console) -> Delivery:
        """Send them all at their times and say what became of them."""
        schedule = plan(
            self.conversations, self.pace, project_name=PROJECT_NAME, origin_us=clock.now_us(), seed=self._seed
        )
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("sample conversations", total=len(schedule))

            def on_progress(delivery: Delivery) -> None:
                self._answered_share = delivery.done / delivery.total
                self._progressed.set()
                progress.update(bar, completed=delivery.done)

            sender = Sender(f"{base_url}/api", clock, on_progress=on_progress)
            return await sender.send(schedule)
