"""Does a channel answer? The owner asks; it is never charged to an account.

GET /models costs nothing; where that does not answer with 200, one call for one token is made. A channel that serves
what its upstream lists is well when the list can be read.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from haze_proxy.channels import refresh
from haze_proxy.channels.catalogue import ListError
from haze_proxy.channels.channel import Channel
from haze_proxy.channels.client import Call, Client
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
    """Whether a channel answered, and in a few words what."""

    ok: bool
    text: str


async def probe(channels: Iterable[Channel]) -> dict[str, Health]:
    """Ask each channel, all at once; the answers by the channels' names. Raises nothing: a failure is an answer."""
    asked = list(channels)
    async with Client() as client:
        return dict(zip((c.name for c in asked), await asyncio.gather(*(_ask(client, c) for c in asked)), strict=True))


async def _ask(client: Client, channel: Channel) -> Health:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _answer(client, channel)
    except TimeoutError:
        return Health(ok=False, text=f"failed: no answer in {PATIENCE_S} s")
    except HazeError as error:
        return Health(ok=False, text=f"failed: {error.message}")
    except ListError as error:
        return Health(ok=False, text=f"failed: GET /models: {error}")


async def _answer(client: Client, channel: Channel) -> Health:
    if channel.lists:
        listing = (await refresh.fetch(client, channel, lambda: 0)).listing
        return Health(ok=True, text=f"ok: {len(listing.offers)} models at GET /models")
    status, asked = 0, "GET /models"
    if channel.base_url:
        status = (await client.models(channel)).status
    model = next((name for name in (*channel.models, *channel.aliases.values()) if GLOB.isdisjoint(name)), None)
    if status != OK and model is not None:
        protocol = next(each for each in ONE_TOKEN if each in channel.protocols)
        status, asked = await _one_token(client, channel, protocol, model), f"POST {PATHS[protocol]}"
    return Health(status == OK, f"{'ok' if status == OK else 'failed'}: {status} to {asked}")


async def _one_token(client: Client, channel: Channel, protocol: str, model: str) -> int:
    """The status of a call for one token."""
    body = orjson.dumps({"model": model, **ONE_TOKEN[protocol]})
    headers = CIMultiDict({"Content-Type": "application/json"})
    if protocol == "messages":
        headers["anthropic-version"] = "2023-06-01"
    answer = await client.send(Call(channel, protocol, PATHS[protocol], "", body, CIMultiDictProxy(headers)))
    answer.close()
    return answer.status
