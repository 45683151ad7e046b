"""Does a channel answer? The owner asks; it is never charged to an account.

GET /models costs nothing; where that does not answer with 200, one call for one token is made. A channel that serves
what its upstream lists is well when the list can be read.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from haze_proxy.channels import faults, refresh
from haze_proxy.channels.catalogue import ListError
from haze_proxy.channels.channel import Channel
from haze_proxy.channels.client import Call, Client, read_refusal
from haze_proxy.channels.directory import GLOB
from haze_proxy.channels.kinds import PATHS
from haze_proxy.errors import HazeError

# An owner who waits at a terminal waits less long than a client whose model is thinking.
PATIENCE_S: Final = 30
OK: Final = 200
HI: Final = [{"role": "user", "content": "Hi"}]
# The least that can be asked for: one token, where so few are taken.
ONE_TOKEN: Final[dict[str, dict[str, object]]] = {
    "chat": {"max_tokens": 1, "messages": HI},
    "messages": {"max_tokens": 1, "messages": HI},
    "responses": {"max_output_tokens": 16, "input": HI, "store": False},
    "embeddings": {"input": "Hi"},
}


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a channel answered, and in a few words what; after how many seconds, and a refusal in its own words."""

    ok: bool
    text: str
    said: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)


async def probe(channels: Iterable[Channel]) -> dict[str, Health]:
    """Ask each channel, all at once; the answers by the channels' names. Raises nothing: a failure is an answer."""
    asked = list(channels)
    async with Client() as client:
        told = await asyncio.gather(*(ask(client, each, PATIENCE_S) for each in asked))
        return dict(zip((each.name for each in asked), told, strict=True))


async def ask(client: Client, channel: Channel, patience_s: float) -> Health:
    """Ask a channel, for so many seconds at most. Raises nothing: a failure is an answer."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(patience_s):
            health = await _answer(client, channel)
    except TimeoutError:
        health = Health(ok=False, text=f"failed: no answer in {patience_s} s")
    except HazeError as error:
        health = Health(ok=False, text=f"failed: {error.message}")
    except ListError as error:
        health = Health(ok=False, text=f"failed: GET /models: {error}", said=error.said)
    return replace(health, seconds=time.monotonic() - began)


async def _answer(client: Client, channel: Channel) -> Health:
    if channel.lists:
        listing = (await refresh.fetch(client, channel, lambda: 0)).listing
        return Health(ok=True, text=f"ok: {len(listing.offers)} models at GET /models")
    status, body, asked = 0, b"", "GET /models"
    if channel.base_url:
        told = await client.models(channel)
        status, body = told.status, told.body
    model = next((name for name in (*channel.models, *channel.aliases.values()) if GLOB.isdisjoint(name)), None)
    if status != OK and model is not None:
        protocol = next(each for each in ONE_TOKEN if each in channel.protocols)
        asked = f"POST {PATHS[protocol]}"
        status, body = await _one_token(client, channel, protocol, model)
    said = "" if status == OK else faults.words(channel, body)
    return Health(status == OK, f"{'ok' if status == OK else 'failed'}: {status} to {asked}", said)


async def _one_token(client: Client, channel: Channel, protocol: str, model: str) -> tuple[int, bytes]:
    """The status of a call for one token, and the body where it is refused."""
    body = orjson.dumps({"model": model, **ONE_TOKEN[protocol]})
    headers = CIMultiDict({"Content-Type": "application/json"})
    if protocol == "messages":
        headers["anthropic-version"] = "2023-06-01"
    answer = await client.send(Call(channel, protocol, PATHS[protocol], "", body, CIMultiDictProxy(headers)))
    try:
        return answer.status, b"" if answer.status == OK else await read_refusal(answer)
    finally:
        answer.close()
