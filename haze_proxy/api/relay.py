"""The story of one request, for all protocols: ask a channel, see its first event, pass the answer on, settle.

A channel that fails before its first event hands over to the next one; after it there is no way back. Native bytes pass
as they are. A meter reads along for the usage and holds the end of a stream back until the charge is committed, so
whoever saw an answer end has paid for it once, whatever happens to the process.
"""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from haze_proxy.api.attempt import Begun, attempt
from haze_proxy.api.journey import Journey
from haze_proxy.api.keepalive import KEEPALIVES
from haze_proxy.channels import faults, headers
from haze_proxy.channels.client import Answer
from haze_proxy.channels.faults import PassedOn
from haze_proxy.context import ASK, RUNNING
from haze_proxy.errors import HazeError, Unavailable, UpstreamFailed
from haze_proxy.gate.claims import streaming
from haze_proxy.gate.connection import cancelled_when_left
from haze_proxy.money import receipt
from haze_proxy.wire import envelope

# What keeps proxies on the way from storing a stream up.
STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
# Says that the balance paid for a shorter answer than was asked for.
LIMITED: Final = "x-haze-limited"
DROPPED: Final = "x-haze-dropped"
COST_HEADER: Final = "x-haze-cost-usd"
FLUSH_S: Final = 10
# Node's clients throw away what they have not read yet when a line breaks: they shall have read why.
READING_S: Final = 0.05
STOPPING: Final = "Haze is being stopped. Try again in a moment."
BROKEN_OFF: Final = "The provider broke off in the middle of its answer."


async def relay(request: web.Request) -> web.StreamResponse:
    """Answer an admitted request through the first candidate that can. Raises what the caller is told before a 200."""
    journey = Journey(request, request[ASK])
    running, task = request.app[RUNNING], asyncio.current_task()
    assert task is not None  # noqa: S101 - a handler is run by one
    running[task] = journey
    try:
        return await (_stream(journey) if journey.ask.stream else _whole(journey))
    except PassedOn as refusal:
        return _passed_on(journey, refusal)
    finally:
        del running[task]
        journey.close()


def _passed_on(journey: Journey, refusal: PassedOn) -> web.Response:
    # Whatever it came as: a page, a text, an event of a stream.
    kept = CIMultiDict(refusal.headers)
    kept["Content-Type"] = "application/json"
    status, body = refusal.rendered or (refusal.upstream_status, b"")
    body = body or refusal.body_for(journey.wants, journey.request_id)
    return web.Response(status=status, body=body, headers=kept)


async def _begin(journey: Journey) -> Begun:
    """Ask one candidate after the other until one answers: the only retry loop in the house."""
    failures: list[HazeError] = []
    for candidate in filter(journey.is_worth_asking, journey.candidates):
        try:
            journey.turn_to(candidate)
            begun = await attempt(journey)
        except HazeError as error:
            journey.attempt_failed(error)
            failures.append(error)
            if not faults.worth_another(error):
                break
        else:
            # As below: their tracebacks hold this frame, and with it the answer.
            failures.clear()
            journey.answering()
            return begun
    told = faults.most_telling(failures) if faults.worth_another(failures[-1]) else failures[-1]
    journey.failed(told)
    try:
        raise told
    finally:
        # An error's traceback holds this frame, and with it the request and its body.
        del failures, told


async def _whole(journey: Journey) -> web.Response:
    # Not cancelled when the caller leaves: the provider bills it all the same, so it is finished and charged.
    try:
        return await _told_whole(journey, await _begin(journey))
    except asyncio.CancelledError:
        # Only a server that stops cancels a call. What is being charged already must not be asked for again.
        if journey.is_over:
            raise
        journey.stopped()
        raise Unavailable(STOPPING, retry_after_s=1) from None


async def _told_whole(journey: Journey, begun: Begun) -> web.Response:
    # Before the charge: what is stopped in the middle of it has cost nothing.
    shown = begun.shown if journey.transform is None else await journey.transform(begun.shown)
    cost = await journey.settle_whole(begun.body, begun.whole or {})
    kept = headers.downstream(begun.answer.headers)
    if journey.ask.limited_to is not None:
        kept[LIMITED] = f"max_output_tokens={journey.ask.limited_to}"
    kept.update(_dropped(journey))
    if journey.passage.translated is not None:
        kept["Content-Type"] = "text/event-stream" if journey.ask.stream else "application/json"
    kept[COST_HEADER] = receipt.usd(cost)
    return web.Response(status=begun.answer.status, body=shown, headers=kept)


async def _stream(journey: Journey) -> web.StreamResponse:
    begun: Begun | None = None
    try:
        # And its upstream with it.
        with cancelled_when_left(journey.request):
            begun = await _begin(journey)
            if begun.whole is None:
                # A task of its own: each chunk wakes every coroutine that waits for it, and here the gate would be ten.
                return await asyncio.create_task(_pass_on(journey, begun.answer, begun.first))
        return await _told_whole(journey, begun)
    except (asyncio.CancelledError, ConnectionError):
        # The caller left, or cannot be written to, or the server stops. Other endings have been written by now.
        if journey.caller_is_gone or journey.is_over:
            journey.left()
            raise
        journey.stopped()
        raise Unavailable(STOPPING, retry_after_s=1) from None
    finally:
        if begun is not None:
            begun.answer.close()


def _dropped(journey: Journey) -> dict[str, str]:
    """What the channel's protocol could not say, by name."""
    return {DROPPED: ", ".join(journey.passage.dropped)} if journey.passage.dropped else {}


def _response(journey: Journey, answer: Answer) -> web.StreamResponse:
    kept: CIMultiDict[str] = headers.downstream(answer.headers)
    kept.update(STREAM_HEADERS)
    kept.update(_dropped(journey))
    return web.StreamResponse(status=answer.status, headers=kept)


async def _pass_on(journey: Journey, answer: Answer, first: bytes) -> web.StreamResponse:
    """From the first byte to the last. The upstream's failures end here; the caller's go on up."""
    response = _response(journey, answer)
    streaming(journey.request)
    await response.prepare(journey.request)
    try:
        with journey.request.app[KEEPALIVES].on(journey, response):
            rest = await _copy(journey, answer, response, first)
    except UpstreamFailed as error:
        if journey.meter.error is None:
            await _break_off(journey, response, error)
            return response
        # It had told its own error already, and cut the line where another event might have followed.
        rest = journey.passage.stream.close()
    except asyncio.CancelledError:
        if not journey.caller_is_gone:
            journey.stopped()
            await _break_off(journey, response, Unavailable(STOPPING))
        raise
    if rest is None:
        await _run_out(journey, answer, response)
        return response
    if rest:
        await response.write(rest)
    await _finish(journey, answer, response)
    return response


async def _copy(journey: Journey, answer: Answer, response: web.StreamResponse, passing: bytes) -> bytes | None:
    """Pass chunks on until the terminal event or the end of the body; returns what may still go out before it.

    None: the account cannot pay for more, and the stream stands between two events.
    """
    meter, stream = journey.meter, journey.passage.stream
    while meter.state == "open":
        if passing:
            await response.write(passing)
        if not journey.delivered(passing) and stream.between_events:
            return None
        chunk = await answer.chunk()
        journey.received()
        passing = stream.feed(chunk) if chunk else stream.close()
        if not chunk:
            break
    return passing


async def _finish(journey: Journey, answer: Answer, response: web.StreamResponse) -> None:
    """The upstream's answer is over. Its last bytes go out once they are paid for."""
    stream = journey.passage.stream
    if not stream.finished and journey.meter.state != "error":
        await _break_off(journey, response, UpstreamFailed(BROKEN_OFF))
        return
    try:
        await journey.settle_stream()
    except HazeError as error:
        await _break_off(journey, response, error)
        return
    if stream.held:
        await response.write(stream.held)
    await response.write_eof()
    answer.finish()


async def _run_out(journey: Journey, answer: Answer, response: web.StreamResponse) -> None:
    """Nobody pays for the rest: the upstream is stopped, and the stream ends as if its limit were reached."""
    answer.close()
    try:
        ending = await journey.run_out()
    except HazeError as error:
        await _break_off(journey, response, error)
        return
    await response.write(ending)
    await response.write_eof()


async def _break_off(journey: Journey, response: web.StreamResponse, error: HazeError) -> None:
    """Say it in the stream, then cut: a polite end would be taken for a whole answer, or repeated without limit.

    Not where the error is an end that every client knows.
    """
    with suppress(HazeError):  # what could not be written is not charged; the caller hears of one failure
        await journey.broken(error)
    # What has gone out may end in the middle of an event.
    gap = b"" if journey.passage.stream.between_events else b"\n\n"
    await response.write(gap + envelope.event(error, journey.wants, journey.request_id))
    if journey.wants in envelope.ENDED_BY_ERROR:
        await response.write_eof()
        return
    transport = journey.request.transport
    if transport is not None:
        await asyncio.sleep(READING_S)  # the error is out and the charge is over: only this line waits
        # What was written may still arrive, but nobody is waited for.
        transport.close()
        asyncio.get_running_loop().call_later(FLUSH_S, transport.abort)
