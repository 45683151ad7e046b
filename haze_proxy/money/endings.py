"""How an admitted request can end, in the words that its row keeps, and what each of them costs.

The published table: whoever ends a request takes his word from here, so that no row says what is not explained, and
receipts, /docs and the README say the same of it. All of it is text for people; backticks mark what is code.
"""

from dataclasses import dataclass
from typing import Final

# What of its price an ending costs.
NOTHING, REPORTED, FINAL, COUNTED = "nothing", "reported", "final", "counted"
COSTS: Final = {
    NOTHING: "nothing",
    REPORTED: "the usage that the provider reported, else a counted estimate",
    FINAL: "what the provider had reported as final usage, else nothing",
    COUNTED: "input as reported, else as estimated; output as delivered, or as reported where that is more",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """One way to end: the `word` in the row, `when` it is that, and the kind of its cost: a key of COSTS."""

    word: str
    when: str
    kind: str = NOTHING

    @property
    def costs(self) -> str:
        """What it costs, as a part of a sentence."""
        return COSTS[self.kind]

    @property
    def sentence(self) -> str:
        """All of it, for a receipt."""
        return f"{self.when[0].upper()}{self.when[1:]}. It costs {self.costs}."


COMPLETED: Final = Ending(
    "completed",
    "the answer came to its end; one that is not streamed is finished also where the client has left meanwhile",
    REPORTED,
)
BALANCE_RAN_OUT: Final = Ending(
    "balance ran out",
    "the balance or the key's budget was used up in the middle of a stream, which ended as if its limit were reached",
    COUNTED,
)
CLIENT_LEFT: Final = Ending(
    "client left",
    "the client left a stream that the provider had begun, or let it wait for over 10 s until the provider broke off",
    COUNTED,
)
LEFT_BEFORE: Final = Ending("client left before the answer", "the client left a stream that the provider had not begun")
REFUSED_UPSTREAM: Final = Ending(
    "refused upstream", "the provider refused the request for its own sake, and its words were passed on"
)
FAILED_UPSTREAM: Final = Ending("failed upstream", "every channel that was asked failed before the first event")
FAILED_BEFORE: Final = Ending("failed before an answer", "Haze itself failed before there was any answer")
EMPTY_ANSWER: Final = Ending("empty answer", "a stream ended without a word, a reason and a usage")
BROKE_OFF: Final = Ending("upstream broke off", "the provider broke off in the middle of a stream", FINAL)
UPSTREAM_ERROR: Final = Ending(
    "upstream error", "the provider ended a stream that had begun with an error of its own", FINAL
)
SERVER_STOPPED: Final = Ending("server stopped", "Haze was stopped before the end", FINAL)
NOT_WRITTEN: Final = Ending(
    "could not be written", "the charge could not be written down: the answer was broken off before its end"
)
PROCESS_DIED: Final = Ending("process died", "the process died under way; the next start found it")

TABLE: Final = (
    COMPLETED,
    BALANCE_RAN_OUT,
    CLIENT_LEFT,
    LEFT_BEFORE,
    REFUSED_UPSTREAM,
    FAILED_UPSTREAM,
    FAILED_BEFORE,
    EMPTY_ANSWER,
    BROKE_OFF,
    UPSTREAM_ERROR,
    SERVER_STOPPED,
    NOT_WRITTEN,
    PROCESS_DIED,
)
BY_WORD: Final = {ending.word: ending for ending in TABLE}
