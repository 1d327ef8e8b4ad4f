"""Conversations for tests of evaluators."""

from uuid import UUID

import msgspec

from pipeline.evaluators.transcript import Span, Transcript, Turn

SECOND_US = 1_000_000
BEGAN_US = 1_760_000_000_000_000


def turn(question: str | None, answer: str | None, *, seconds: float | None = 2.0, number: int = 0) -> Turn:
    began_us = BEGAN_US + number * 60 * SECOND_US
    return Turn(
        trace_id=UUID(int=number + 1),
        started_at_us=began_us,
        ended_at_us=None if seconds is None else began_us + int(seconds * SECOND_US),
        input=None if question is None else msgspec.json.encode({"user": question}).decode(),
        output=None if answer is None else msgspec.json.encode({"assistant": answer}).decode(),
    )


def transcript(*said: tuple[str | None, str | None]) -> Transcript:
    return of_turns(*(turn(question, answer, number=number) for number, (question, answer) in enumerate(said)))


def of_turns(*turns: Turn) -> Transcript:
    return Transcript(
        workspace="default",
        project_id=UUID(int=7),
        thread_id="Order 7",
        thread_model_id=UUID(int=8),
        session_id="log:0:3",
        closed_at_us=BEGAN_US + 3600 * SECOND_US,
        reason="inactive",
        turns=turns,
    )


def span(name: str, *, error: str | None = None) -> Span:
    return Span(UUID(int=1), UUID(int=2), None, name, "tool", None, None, None, None, None, error)
