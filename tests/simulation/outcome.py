"""What came of one schedule, and how it is told."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from tests.fault.verdict import Verdict

LAST_STEPS: Final = 60
EXAMPLES: Final = 20

Step = tuple[object, ...]
"""The time in seconds, and what happened."""


@dataclass
class Outcome:
    """What happened in one schedule; `wrong` is empty if nothing was."""

    seed: int
    steps: list[Step] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def digest(self) -> str:
        """What two runs of one seed have in common."""
        return hashlib.sha256(repr((self.steps, self.wrong, self.verdict)).encode()).hexdigest()

    def told(self, last: int | None = LAST_STEPS) -> str:
        """Return the last steps as lines, all if None, and what was wrong."""
        steps = self.steps if last is None else self.steps[-last:]
        lines = [f"{at:9.4f}  " + "  ".join(str(part) for part in rest if part != "") for at, *rest in steps]
        examples = self.wrong[:EXAMPLES]
        return "\n".join([*lines, *examples, f"seed {self.seed}: {len(self.wrong)} wrong; digest {self.digest}"])
