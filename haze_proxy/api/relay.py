"""The story of one request, for all protocols: call a channel, see its first event, pass the answer on, settle.

Native bytes pass as they are. A meter reads along for the usage and holds the end of a stream back until the charge is
committed, so whoever saw an answer end has paid for it once, whatever happens to the process.
"""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from haze_proxy.api.journey import Journey
from haze_proxy.channels import client, faults, headers
from haze_proxy.channels.client import Answer, Call
from haze_proxy.channels.faults import PassedOn
from haze_proxy.channels.kinds import PATHS
from haze_proxy.context import ASK, CANDIDATES, CLIENT, RUNNING
from haze_proxy.errors import HazeError, Unavailable, UpstreamFailed
from haze_proxy.wire import envelope
from haze_proxy.wire.sse import BOUNDARY

# As much may arrive before the first event is complete; then the answer starts all the same.
PEEK_BYTES_MAX: Final = 64 * 2**10
# What keeps proxies on the way from storing a stream up.
STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
FLUSH_S: Final = 10
STOPPING: Final = "Haze is being stopped. Try again in a moment."
BROKEN_OFF: Final = "The provider broke off in the middle of its answer."


async def relay(request: web.Request) -> web.StreamResponse:
    """Answer an admitted request through its first candidate. Raises what the caller must be told before a 200."""
    journey = Journey(request, request[ASK], request[CANDIDATES][0])
    running, task = request.app[RUNNING], asyncio.current_task()
    assert task is not None  # noqa: S101 - a handler is run by one
    running.add(task)
    try:
        return await (_stream(journey) if journey.ask.stream else _whole(journey))
    finally:
        running.discard(task)


async def _whole(journey: Journey) -> web.Response:
    # Not cancelled when the caller leaves: the provider bills it all the same, so it is finished and charged.
    try:
        return await _whole_of(journey, await _attempt(journey))
    except PassedOn as refusal:
        return _passed_on(journey, refusal)
    except asyncio.CancelledError:
        # Only a server that stops cancels a call. What is being charged already must not be asked for again.
        if journey.is_over:
            raise
        journey.stopped()
        raise Unavailable(STOPPING, retry_after_s=1) from None


async def _whole_of(journey: Journey, answer: Answer) -> web.Response:
    try:
        body = await client.read(answer)
    except HazeError as error:
        journey.failed(error)
        raise
    finally:
        answer.close()
    await journey.settle_whole(body)
    return web.Response(status=answer.status, body=body, headers=headers.downstream(answer.headers))


async def _attempt(journey: Journey) -> Answer:
    """Call the channel. A refusal is judged here: what is raised is what the caller must be told."""
    call = Call(
        journey.candidate.channel,
        journey.ask.protocol,
        PATHS[journey.ask.protocol],
        journey.request.rel_url.raw_query_string,
        journey.body,
        journey.request.headers,
    )
    try:
        answer = await journey.request.app[CLIENT].send(call)
        journey.seen(answer)
        if answer.status < 400:
            return answer
        try:
            body = await client.read(answer)
        finally:
            answer.close()
        raise faults.judge(
            journey.candidate.channel, answer.status, body, journey.body, answer.headers.get("Retry-After")
        )
    except HazeError as error:
        journey.failed(error)
        raise


def _passed_on(journey: Journey, refusal: PassedOn) -> web.Response:
    return web.Response(
        status=refusal.upstream_status, body=refusal.body, headers=headers.downstream(journey.answer_headers)
    )


async def _stream(journey: Journey) -> web.StreamResponse:
    answer: Answer | None = None
    try:
        with journey.cancelled_when_left():
            answer = await _attempt(journey)
            if _is_stream(answer):
                first = await _first_event(journey, answer)
                # A task of its own: each chunk wakes every coroutine that waits for it, and here the gate would be ten.
                return await asyncio.create_task(_pass_on(journey, answer, first))
        return await _whole_of(journey, answer)
    except PassedOn as refusal:
        return _passed_on(journey, refusal)
    except (asyncio.CancelledError, ConnectionError):
        # The caller left, or cannot be written to, or the server stops. Other endings have been written by now.
        if journey.caller_is_gone or journey.is_over:
            journey.left()
            raise
        journey.stopped()
        raise Unavailable(STOPPING, retry_after_s=1) from None
    finally:
        if answer is not None:
            answer.close()


def _is_stream(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").lower().startswith("text/event-stream")


async def _first_event(journey: Journey, answer: Answer) -> bytes:
    """Wait for something that can be told to the caller. Raises if it is an error: there is still a status for it."""
    meter, passing, ended = journey.meter, b"", False
    try:
        while not (ended or _has_event(passing) or meter.state != "open" or len(passing) >= PEEK_BYTES_MAX):
            chunk = await answer.chunk()
            passing += meter.feed(chunk) if chunk else meter.close()
            ended = not chunk
        if not _has_event(passing) and (ended or meter.state != "open"):
            if meter.error is not None:
                raise faults.judge_event(journey.candidate.channel, meter.error)
            if not meter.finished:
                raise UpstreamFailed("The provider's answer was empty.")
    except HazeError as error:
        journey.failed(error)
        raise
    journey.answering()
    return passing


def _has_event(passing: bytes) -> bool:
    # Comments are no answer yet: OpenRouter sends some while it looks for a provider. Nor is half an event: the other
    # half may say that it is an error.
    begin = passing.find(b"data:")
    return begin >= 0 and BOUNDARY.search(passing, begin) is not None


def _response(answer: Answer) -> web.StreamResponse:
    kept: CIMultiDict[str] = headers.downstream(answer.headers)
    kept.update(STREAM_HEADERS)
    return web.StreamResponse(status=answer.status, headers=kept)


async def _pass_on(journey: Journey, answer: Answer, first: bytes) -> web.StreamResponse:
    """From the first byte to the last. The upstream's failures end here; the caller's go on up."""
    response = _response(answer)
    await response.prepare(journey.request)
    meter, passing = journey.meter, first
    try:
        while meter.state == "open":
            if passing:
                await response.write(passing)
            journey.delivered()
            chunk = await answer.chunk()
            passing = meter.feed(chunk) if chunk else meter.close()
            if not chunk:
                break
    except UpstreamFailed as error:
        await _break_off(journey, response, error)
        return response
    except asyncio.CancelledError:
        if not journey.caller_is_gone:
            journey.stopped()
            await _break_off(journey, response, Unavailable(STOPPING))
        raise
    if passing:
        await response.write(passing)
    await _finish(journey, answer, response)
    return response


async def _finish(journey: Journey, answer: Answer, response: web.StreamResponse) -> None:
    """The upstream's answer is over. Its last bytes go out once they are paid for."""
    meter = journey.meter
    if not meter.finished and meter.state != "error":
        await _break_off(journey, response, UpstreamFailed(BROKEN_OFF))
        return
    try:
        await journey.settle_stream()
    except HazeError as error:
        await _break_off(journey, response, error)
        return
    if meter.held:
        await response.write(meter.held)
    await response.write_eof()
    answer.finish()


async def _break_off(journey: Journey, response: web.StreamResponse, error: HazeError) -> None:
    """Say it in the stream, then cut: a polite end would be taken for a whole answer, or repeated without limit."""
    with suppress(HazeError):  # what could not be written is not charged; the caller hears of one failure
        await journey.break_off()
    # What has gone out may end in the middle of an event.
    gap = b"" if journey.meter.between_events else b"\n\n"
    await response.write(gap + envelope.event(error, journey.ask.protocol, journey.request_id))
    transport = journey.request.transport
    if transport is not None:
        # What was written may still arrive, but nobody is waited for.
        transport.close()
        asyncio.get_running_loop().call_later(FLUSH_S, transport.abort)
