"""How the models of one channel differ from what their protocol says: data, so that no code asks who a provider is."""

from dataclasses import dataclass
from typing import Literal

from haze_proxy.wire.conversation import Thinking
from haze_proxy.wire.values import names

# From least to most. A model that does not know the one asked for gets the nearest below, else the lowest it knows.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# The fields that servers of the chat protocol have in common. Some refuse a request for one they do not know.
COMMON_FIELDS = names(
    """model messages max_tokens max_completion_tokens temperature top_p stop n stream stream_options tools tool_choice
    response_format reasoning_effort"""
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a channel takes in translated requests. The defaults suit the newest models of the protocol's own inventor.

    limit_field      chat: "max_completion_tokens", or "max_tokens" for servers that know only that.
    limit_default    messages, where a limit is required: the limit of a client that named none, in tokens.
    limit_max        the most output tokens the model takes; a larger limit is lowered to it. None: unknown.
    sampling         whether temperature and top_p are passed on. None: yes, but not on messages: Claude refuses them.
    efforts          the reasoning efforts the model knows (names of EFFORTS). (): none is sent.
    thinking         messages: how effort is told. "adaptive": output_config.effort and adaptive thinking; "budget":
                     a thinking budget; "none": not at all.
    reasoning_field  chat: where earlier reasoning goes back. "received": the field it came in; "none": nowhere; the
                     name of a field ("reasoning_content"): there, in every turn with tool calls, empty if need be.
    encrypted_reasoning  responses: ask for reasoning that can be sent back.
    allowed_fields   the top-level fields the channel takes; others are dropped and named. None: all.
    system_turns     messages: whether the model takes `system` entries among its turns; else they become user text.
    prefill          messages: whether the model continues an assistant turn that stands last; else it is asked to.
    cache_marks      chat: the member of a part that marks a cache breakpoint ("cache_control"). "": none is sent.
    """

    limit_field: str = "max_completion_tokens"
    limit_default: int = 32_000
    limit_max: int | None = None
    sampling: bool | None = None
    efforts: tuple[str, ...] = ("low", "medium", "high")
    thinking: Literal["adaptive", "budget", "none"] = "adaptive"
    reasoning_field: str = "received"
    encrypted_reasoning: bool = True
    allowed_fields: frozenset[str] | None = None
    system_turns: bool = False
    prefill: bool = True
    cache_marks: Literal["", "cache_control", "prompt_cache_breakpoint"] = ""

    def effort(self, asked: str) -> str:
        """The model's nearest effort to the one asked for; "" if there is none. "none" is never made into some."""
        known = [name for name in EFFORTS if name in self.efforts]
        if asked not in EFFORTS or not known or (asked == "none" != known[0]):
            return ""
        below = [name for name in known if EFFORTS.index(name) <= EFFORTS.index(asked)]
        return below[-1] if below else known[0]

    def limit(self, asked: int | None) -> int | None:
        """The output limit to send, in tokens."""
        return asked if asked is None or self.limit_max is None else min(asked, self.limit_max)


EFFORT_OF_BUDGET = ((4096, "low"), (16_384, "medium"))  # a smaller thinking budget in tokens means this; else "high"


def effort_asked(thinking: Thinking) -> str:
    """The effort a client asked for; "" where it said nothing about it."""
    if thinking.state == "off":
        return "none"
    if thinking.effort or thinking.budget is None:
        return thinking.effort
    return next((name for below, name in EFFORT_OF_BUDGET if thinking.budget < below), "high")
