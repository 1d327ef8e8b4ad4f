"""Which conversations a finite run sends.

Taken as they come, the sources would show little: 44 % of the dialogues are one message group that nobody answered,
and 6 % ever come back after 15 minutes. So a run takes stated shares of each sort, in the order of the sources, and
only what fits into its length. Nothing is cut and no time is changed to make something fit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import islice
from typing import Final

from pipeline.local.conversations import Conversation, read_chatterbot, read_chitchat
from pipeline.local.schedule import Pace, expected_sessions, length_seconds

RETURNING_SHARE: Final = 0.25
ONE_SIDED_SHARE: Final = 0.1
CHATTERBOT_SHARE: Final = 0.1


class Sort(Enum):
    """What a dialogue shows."""

    RETURNING = auto()
    """It goes on after a silence that ends a session."""
    ONE_SIDED = auto()
    """Nobody answered."""
    PLAIN = auto()
    """Question and answer, in one session."""


def sample_conversations(count: int, pace: Pace) -> list[Conversation]:
    """Return `count` conversations that end within `pace.spread_seconds`, fewer where the sources hold fewer.

    The dialogues are read only as far as they are needed.
    """
    pairs = list(islice(read_chatterbot(), round(count * CHATTERBOT_SHARE)))
    return [*choose(read_chitchat(), count - len(pairs), pace), *pairs]


def choose(dialogues: Iterable[Conversation], count: int, pace: Pace) -> Iterator[Conversation]:
    """Yield the first of each sort that fit, until there are `count` or no more."""
    wanted = Counter({Sort.RETURNING: round(count * RETURNING_SHARE), Sort.ONE_SIDED: round(count * ONE_SIDED_SHARE)})
    wanted[Sort.PLAIN] = count - wanted.total()
    for dialogue in dialogues:
        if not wanted.total():
            return
        sort = sort_of(dialogue, pace)
        if wanted[sort] and length_seconds(dialogue, pace) <= pace.spread_seconds:
            wanted[sort] -= 1
            yield dialogue


def sort_of(conversation: Conversation, pace: Pace) -> Sort:
    """Return what a conversation shows at this pace."""
    if len(expected_sessions([conversation], pace)[conversation.thread_id]) > 1:
        return Sort.RETURNING
    answered = any(turn.answer is not None for turn in conversation.turns)
    return Sort.PLAIN if answered else Sort.ONE_SIDED
