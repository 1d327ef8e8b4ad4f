"""What a call of a model costs: the rates of the event that names the model, times the counts of tokens of any event.

Rates are US dollars a million, by the kind of what is counted: `input` and `output` for every token of a prompt and a
completion; `cache_read`, `cache_write`, `input_audio` and `output_audio` for what such a token, which is in `input` or
`output` too, costs more or (below zero) less than any other; `request` for the call as such. A kind that is absent
costs nothing. Where prices depend on how large the prompt is, the rates of a larger one stand beside these under
`<kind>@<tokens>`: prompts of more than so many tokens are charged by them as a whole, the highest such tier counts, and
each tier has an `input`.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta

Rate = Annotated[str, Meta(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$")]
"""US dollars a million, as text: it is the same for every span of a model, and is written at once so."""
Rates = dict[str, Rate]
"""By kind; shared by many events, never changed."""

INPUT: Final = "input"
OUTPUT: Final = "output"
REQUEST: Final = "request"
TIER_MARK: Final = "@"

COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    INPUT: ("prompt_tokens",),
    OUTPUT: ("completion_tokens",),
    "cache_read": (
        "cache_read_input_tokens",
        "original_usage.cache_read_input_tokens",
        "original_usage.prompt_tokens_details.cached_tokens",
        "original_usage.input_tokens_details.cached_tokens",
        "original_usage.cached_content_token_count",
    ),
    "cache_write": ("cache_creation_input_tokens", "original_usage.cache_creation_input_tokens"),
    "input_audio": ("input_audio_tokens", "original_usage.prompt_tokens_details.audio_tokens"),
    "output_audio": ("output_audio_tokens", "original_usage.completion_tokens_details.audio_tokens"),
}
"""By kind: the names in `usage` under which clients count it; the first that is there counts."""
