"""What an operator says of each workspace: how much it may send, and what of it is masked.

The file is JSON. Under `quotas` and `masking` stand workspaces by name; `*` is every one without an entry of its own.
`masking` lists rules by name: built-in ones (`masking.BUILT_IN`), or those that `rules` defines, each by a `pattern` or
a `path`. Without a file nothing is asked and nothing is masked.
"""

from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from pipeline.errors import InvalidSettings
from pipeline.gateway.masked import Masks
from pipeline.gateway.masking import BUILT_IN, Expressions, Path, Pattern, path_of
from pipeline.gateway.quotas import Quota

EVERY_WORKSPACE: Final = "*"

Entry = TypeVar("Entry")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule of the operator's own: an expression of RE2, or a path; what either finds becomes `replacement`."""

    pattern: str | None = None
    path: str | None = None
    replacement: str | None = None


class PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    quotas: dict[str, Quota] = {}
    masking: dict[str, tuple[str, ...]] = {}
    rules: dict[Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,40}$")], Rule] = {}


class Policy:
    """One reading of the file, compiled."""

    def __init__(self, file: PolicyFile) -> None:
        """Raise InvalidSettings for a rule that is none."""
        self._quotas: Final = file.quotas
        # Rules that nobody uses are compiled too: a fault is found when it is written, not when it is needed.
        known: dict[str, Pattern | Path] = {**BUILT_IN}
        for name, rule in file.rules.items():
            known[name] = _rule_of(name, rule)
            _masks_of([known[name]])
        self._masks: Final = {
            workspace: _masks_of([_known(name, known) for name in names]) for workspace, names in file.masking.items()
        }

    def quota_of(self, workspace: str) -> Quota | None:
        """Return what `workspace` may send; None is no bound."""
        return _of(self._quotas, workspace)

    def masks_of(self, workspace: str) -> Masks | None:
        """Return what is masked of the events of `workspace`; None is nothing."""
        return _of(self._masks, workspace)


def read_policy(content: bytes) -> Policy:
    """Return what a file says; raises InvalidSettings where it is no policy."""
    try:
        return Policy(msgspec.json.decode(content, type=PolicyFile))
    except msgspec.DecodeError as error:
        raise InvalidSettings(f"not a policy: {error}") from error


def _of(entries: dict[str, Entry], workspace: str) -> Entry | None:
    return entries[workspace] if workspace in entries else entries.get(EVERY_WORKSPACE)


def _rule_of(name: str, rule: Rule) -> Pattern | Path:
    replacement = f"[{name}]" if rule.replacement is None else rule.replacement
    if rule.pattern is not None and rule.path is None:
        return Pattern(name, rule.pattern, replacement)
    if rule.path is not None and rule.pattern is None:
        return path_of(name, rule.path, replacement)
    raise InvalidSettings(f"rule {name} needs a pattern or a path, and not both")


def _known(name: str, rules: dict[str, Pattern | Path]) -> Pattern | Path:
    if name not in rules:
        raise InvalidSettings(f"masking names the rule {name}, which is neither built in nor among the rules")
    return rules[name]


def _masks_of(rules: Sequence[Pattern | Path]) -> Masks | None:
    if not rules:
        return None
    patterns = [rule for rule in rules if isinstance(rule, Pattern)]
    paths = [rule for rule in rules if isinstance(rule, Path)]
    return Masks(Expressions(patterns) if patterns else None, paths)
