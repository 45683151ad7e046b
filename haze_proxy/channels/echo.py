"""The embedded default channel: an upstream inside the process that answers from the request itself.

It is an upstream, not a shortcut: it takes the bytes another provider would get and gives the answer object the HTTP
client gives, errors in the protocol's own envelope included. The same request always gives the same bytes.

echo_reply.py says what is answered, echo_chat.py, echo_messages.py and echo_responses.py how their protocol tells it;
echo_embeddings.py makes vectors. A further protocol is one more such file and its row here.
"""

from collections.abc import Callable

import orjson

from haze_proxy.channels import echo_chat, echo_embeddings, echo_messages, echo_responses
from haze_proxy.channels.echo_answer import EchoAnswer
from haze_proxy.errors import BadRequest, HazeError, NotFound

Answer = Callable[[bytes], EchoAnswer]
Refusal = Callable[[HazeError, bytes], EchoAnswer]

ROUTES: dict[str, tuple[Answer, Refusal]] = {
    "/chat/completions": (echo_chat.completions, echo_chat.refusal),
    "/messages": (echo_messages.messages, echo_messages.refusal),
    "/messages/count_tokens": (echo_messages.count_tokens, echo_messages.refusal),
    "/responses": (echo_responses.responses, echo_chat.refusal),
    "/embeddings": (echo_embeddings.embeddings, echo_chat.refusal),
}


def answer(path: str, body: bytes) -> EchoAnswer:
    """The answer to `body` posted to the protocol path `path`; what is wrong with it is a 4xx answer, not an error."""
    route = ROUTES.get(path)
    if route is None:
        return echo_chat.refusal(NotFound(f"There is no {path} here."), body)
    respond, refuse = route
    try:
        return respond(body)
    except HazeError as error:
        return refuse(error, body)
    except orjson.JSONEncodeError:  # it reads deeper nesting than it writes
        return refuse(BadRequest("The body is nested too deeply."), body)
