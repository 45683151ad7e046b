"""What keeps a silent stream alive in each protocol: the one thing Haze adds to a native stream.

Messages has an event for it. Chat clients take comments. On responses a comment does not reset Codex's idle timer, and
the official SDKs' stream helpers fail on event types they do not know, except on the one that OpenAI's own API sends;
none of them looks at its sequence number, strict readers only want one. It must come after `response.created`.
"""

from typing import Final

KEEPALIVE: Final = {
    "chat": b": keep-alive\n\n",
    "messages": b'event: ping\ndata: {"type": "ping"}\n\n',
    "responses": b'event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n',
}
