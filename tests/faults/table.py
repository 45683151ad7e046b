"""What can go wrong with a channel, how a pretend provider does it, and what must come of it.

A row is one fault; its two halves say what becomes of a streamed and of a whole answer. `heard` is what the caller is
told when nobody can stand in: a status, and in brackets how a stream that had begun ended. With a stand-in he gets the
answer wherever `over` says that the fault comes before the first event and is the channel's own.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provider import HANG, HANG_UP, Reply, Step, error_body, events, whole

# What happens to the channel: how long it is passed over, and whether it may be asked all the same.
FINE, ONE_S, NINE_S, OWNER = "fine", "out 1 s", "barred 9 s", "barred 60 s: owner"
RIGHT = 41_000  # nano-dollars of the right answer: 11 tokens in at 1,000, 3 out at 10,000

Made = Callable[[str], Reply]


@dataclass(frozen=True, slots=True)
class Half:
    """What becomes of a fault. `heard`: status; `ending` of a stream: "", or "cut" after an error event.

    `place`: what of the channel is out, its model or all of it.
    """

    made: Made | None
    heard: int
    channel: str
    over: bool = True
    cost: int = 0
    ending: str = ""
    place: str = "paid"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in both halves. `base_url`: a place where no provider answers, by the name of a fixture."""

    whole: Half
    stream: Half
    base_url: str = ""


def _status(status: int, body: object = b"", **headers: str) -> Made:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Reply(status=status, body=body, headers=named)


def _refusing(status: int, kind: str, text: str, **headers: str) -> Made:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda protocol: Reply(status=status, body=error_body(protocol, kind, text), headers=named)


def _same(made: Made | None, heard: int, channel: str, *, over: bool = True, place: str = "paid") -> Fault:
    """A fault that is over before the upstream knows whether it streams."""
    half = Half(made, heard, channel, over, place=place)
    return Fault(half, half)


def _nowhere(heard: int, base_url: str) -> Fault:
    half = Half(None, heard, ONE_S, place="")
    return Fault(half, half, base_url)


def _owner(made: Made) -> Fault:
    return _same(made, 503, OWNER, place="")


def _streaming(*steps: Step) -> Made:
    return lambda _: Reply(chunks=list(steps))


def _begun(*then: Step, count: int = 4) -> Made:
    """The first events of a right stream, and then something else."""
    return lambda protocol: Reply(chunks=[*events(protocol, model="paid")[:count], *then])


def _half_a_body(then: Sequence[Step]) -> Made:
    def made(protocol: str) -> Reply:
        body = json.dumps(whole(protocol, model="paid")).encode()
        headers = {"Content-Type": "application/json"}
        return Reply(chunks=[body[: len(body) // 2], *then], headers=headers)

    return made


def _wrong_length(protocol: str) -> Reply:
    return Reply(body=whole(protocol, model="paid"), content_length=9_999)


def _wrong_length_of_a_stream(protocol: str) -> Reply:
    return Reply(chunks=events(protocol, model="paid"), content_length=99_999)


def _an_error_inside(protocol: str) -> Reply:
    """A 200 whose body is an error, as OpenRouter sends them once an answer has been promised."""
    return Reply(body={"id": "x", "error": {"code": 502, "message": "the provider fell over"}, "choices": None})


def _error_event(protocol: str, number: int = 0) -> bytes:
    if protocol == "messages":
        body = json.dumps(error_body("messages", "api_error", "fell over"))
        return f"event: error\ndata: {body}\n\n".encode()
    if protocol == "responses":
        error = {"type": "error", "code": "server_error", "message": "fell over", "param": None}
        return f"event: error\ndata: {json.dumps({**error, 'sequence_number': number})}\n\n".encode()
    return b'data: {"error":{"code":502,"message":"fell over"},"choices":[]}\n\n'


def _error_first(protocol: str) -> Reply:
    return Reply(chunks=[_error_event(protocol)])


def _error_later(protocol: str) -> Reply:
    return Reply(chunks=[*events(protocol, model="paid")[:4], _error_event(protocol, 4)])


def _dripping(protocol: str) -> Reply:
    body = json.dumps(whole(protocol, model="paid")).encode()
    return Reply(
        chunks=[body[n : n + 40] for n in range(0, len(body), 40)], headers={"Content-Type": "application/json"}
    )


def _dripping_stream(protocol: str) -> Reply:
    sent = b"".join(events(protocol, model="paid"))
    return Reply(chunks=[sent[n : n + 7] for n in range(0, len(sent), 7)])


HTML = b"<html><body><h1>502 Bad Gateway</h1>nginx</body></html>"
NO_HTTP = Reply(raw=b"\x16\x03\x01 no HTTP at all\r\n\r\n")
WALLET = "Your credit balance is too low to access the API."

FAULTS: dict[str, Fault] = {
    "refused": _nowhere(502, "closed"),
    "DNS failure": _nowhere(502, "unknown"),
    "slow connect": _nowhere(502, "unanswering"),
    "silent after connect": _same(lambda _: Reply(late=HANG), 504, ONE_S),
    "400 of the client": _same(_refusing(400, "invalid_request_error", "prompt is too long"), 400, FINE, over=False),
    "401": _owner(_refusing(401, "authentication_error", "invalid x-api-key")),
    "402": _owner(_refusing(402, "billing_error", "pay")),
    "403": _owner(_refusing(403, "permission_error", "not you")),
    "empty wallet as 400": _owner(_refusing(400, "invalid_request_error", WALLET)),
    "empty wallet as 429": _owner(_refusing(429, "insufficient_quota", "You exceeded your current quota.")),
    "404": _same(_refusing(404, "not_found_error", "no such model"), 404, FINE),
    "408": _same(_status(408), 504, ONE_S),
    "429 with Retry-After": _same(_refusing(429, "rate_limit_error", "slow", Retry_After="9"), 429, NINE_S),
    "429 without": _same(_refusing(429, "rate_limit_error", "slow"), 429, ONE_S),
    "500": _same(_refusing(500, "api_error", "oops"), 502, ONE_S),
    "503": _same(_refusing(503, "api_error", "overloaded"), 529, ONE_S),
    "529": _same(_refusing(529, "overloaded_error", "overloaded"), 529, ONE_S),
    "HTML body": _same(_status(200, HTML, Content_Type="text/html"), 502, ONE_S),
    "HTML with 502": _same(_status(502, HTML, Content_Type="text/html"), 502, ONE_S),
    "truncated JSON": Fault(
        Half(_half_a_body(()), 502, ONE_S),
        Half(lambda protocol: Reply(chunks=[events(protocol)[0][:30]]), 502, ONE_S),
    ),
    "wrong length": Fault(
        Half(_wrong_length, 502, ONE_S),
        # The terminal event has come: whatever the headers promised, the answer is whole.
        Half(_wrong_length_of_a_stream, 200, FINE, over=False, cost=RIGHT),
    ),
    "cut mid-stream": Fault(
        Half(_half_a_body((HANG_UP,)), 502, ONE_S),
        Half(_begun(HANG_UP), 200, ONE_S, over=False, ending="cut"),
    ),
    "clean end without terminal event": Fault(
        Half(lambda _: Reply(body={"id": "x"}), 502, ONE_S),
        Half(_begun(), 200, ONE_S, over=False, ending="cut"),
    ),
    "error event first": Fault(Half(_an_error_inside, 502, ONE_S), Half(_error_first, 502, ONE_S)),
    "error event later": Fault(
        Half(_an_error_inside, 502, ONE_S),
        # The upstream's own error event is told as it came, and is an end: nothing is cut.
        Half(_error_later, 200, ONE_S, over=False, ending="error"),
    ),
    "endless silence": Fault(
        Half(_half_a_body((HANG,)), 504, ONE_S),
        Half(_begun(HANG), 200, ONE_S, over=False, ending="cut"),
    ),
    "garbage": Fault(
        Half(lambda _: NO_HTTP, 502, ONE_S),
        Half(_streaming(b"\x00\xff\x00 garbage\n\n" * 50), 502, ONE_S),
    ),
    "redirect": _same(_status(302, Location="http://127.0.0.1:9/v1"), 502, ONE_S),
    "slow drip": Fault(
        Half(_dripping, 200, FINE, over=False, cost=RIGHT), Half(_dripping_stream, 200, FINE, over=False, cost=RIGHT)
    ),
}
