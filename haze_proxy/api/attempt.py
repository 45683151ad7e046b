"""One call to one channel, until there is something to tell the caller: a stream's first event, or a whole answer.

Whatever fails before that is raised as what it would mean for the caller; nothing has been sent to him yet, so another
channel can be asked.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from haze_proxy.api.journey import Journey
from haze_proxy.channels import client, faults, headers
from haze_proxy.channels.client import Answer, Call
from haze_proxy.channels.faults import PassedOn
from haze_proxy.channels.kinds import PATHS
from haze_proxy.context import CLIENT
from haze_proxy.errors import HazeError, UpstreamFailed
from haze_proxy.wire import embeddings, failures
from haze_proxy.wire.sse import BOUNDARY

# As much may arrive before the first event is complete; then the answer starts all the same.
PEEK_BYTES_MAX: Final = 64 * 2**10
# How an answer is read where not all of it needs to be.
READERS: Final[dict[str, Callable[[bytes], Any]]] = {"embeddings": embeddings.outline}


@dataclass(slots=True)
class Begun:
    """An answer that has begun: a stream with its first bytes, or a `whole` body, its JSON, and what is shown of it."""

    answer: Answer
    first: bytes = b""
    body: bytes = b""
    whole: dict[str, Any] | None = None
    shown: bytes = b""


async def attempt(journey: Journey) -> Begun:
    """Call the journey's candidate. Raises a HazeError: what the caller is to be told if no other channel is asked."""
    answer = await _call(journey)
    begun = None
    try:
        if journey.ask.stream and _is_stream(answer):
            begun = Begun(answer, first=await _first_event(journey, answer))
        else:
            body = await client.read(answer)
            whole = _whole(journey, body)
            shown = journey.passage.whole(body, whole, stream=journey.ask.stream)
            begun = Begun(answer, body=body, whole=whole, shown=shown)
        return begun
    finally:
        if begun is None or begun.whole is not None:
            answer.close()


async def _call(journey: Journey) -> Answer:
    passage = journey.passage
    call = Call(
        journey.candidate.channel,
        passage.spoken,
        PATHS[passage.spoken],
        # A query belongs to the client's own protocol.
        journey.request.rel_url.raw_query_string if passage.translated is None else "",
        passage.body,
        journey.request.headers,
    )
    answer = await journey.request.app[CLIENT].send(call)
    journey.seen(answer)
    if answer.status < 400:
        return answer
    try:
        body = await client.read_refusal(answer)
    finally:
        answer.close()
    # Not kept in a name: the error's traceback holds this frame, and with it the request and its body.
    raise _refusal(journey, answer, body)


def _refusal(journey: Journey, answer: Answer, body: bytes) -> HazeError:
    """What a refusal means for the caller; one that is passed on has the upstream's headers, too."""
    told = answer.headers.get("Retry-After")
    error = faults.judge(journey.candidate.channel, answer.status, body, journey.passage.body, told)
    if isinstance(error, PassedOn):
        error.headers = headers.downstream(answer.headers)
    return _told(journey, error)


def _told(journey: Journey, error: HazeError) -> HazeError:
    """The error, with the words of the caller's protocol if it is passed on from a channel of another."""
    if isinstance(error, PassedOn):
        error.rendered = journey.passage.refusal(error)
    return error


def _is_stream(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").lower().startswith("text/event-stream")


async def _first_event(journey: Journey, answer: Answer) -> bytes:
    """What can be told to the caller first. Raises if it is an error, or does not come: there is still a status for it.

    Comments alone keep nobody waiting: the caller has not even headers yet, and another channel may have an answer.
    """
    channel = journey.candidate.channel
    try:
        async with asyncio.timeout(channel.first_byte_timeout_s):
            return await _peek(journey, answer)
    except TimeoutError as error:
        raise client.silent(channel) from error


async def _peek(journey: Journey, answer: Answer) -> bytes:
    meter, stream, passing, ended = journey.meter, journey.passage.stream, b"", False
    while not (ended or _has_event(passing) or meter.state != "open" or len(passing) >= PEEK_BYTES_MAX):
        chunk = await answer.chunk()
        passing += stream.feed(chunk) if chunk else stream.close()
        ended = not chunk
    if not _has_event(passing) and (ended or meter.state != "open"):
        if meter.error is not None:
            raise _told(journey, faults.judge_event(journey.candidate.channel, meter.error, journey.passage.body))
        if not stream.finished:
            raise UpstreamFailed("The provider's answer was empty.")
    return passing


def _has_event(passing: bytes) -> bool:
    # Comments are no answer yet: OpenRouter sends some while it looks for a provider. Nor is half an event: the other
    # half may say that it is an error.
    begin = passing.find(b"data:")
    return begin >= 0 and BOUNDARY.search(passing, begin) is not None


def _whole(journey: Journey, body: bytes) -> dict[str, Any]:
    """A whole answer as JSON. Raises what its error means, if it is one: OpenRouter sends some with status 200."""
    channel, protocol = journey.candidate.channel, journey.passage.spoken
    try:
        parsed = READERS.get(protocol, orjson.loads)(body)
    except ValueError as error:
        raise UpstreamFailed(
            f"The provider behind channel {channel.name} sent an answer that cannot be read."
        ) from error
    if not isinstance(parsed, dict):
        raise UpstreamFailed(f"The provider behind channel {channel.name} sent an answer that cannot be read.")
    if (failure := failures.of_answer(protocol, parsed)) is not None:
        raise _told(journey, faults.judge_event(channel, failure, journey.passage.body))
    return parsed
