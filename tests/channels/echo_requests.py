"""Requests to the embedded channel, and its answers as clients see them."""

import json
from typing import Any

from haze_proxy.channels import client
from haze_proxy.channels.echo import answer

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
BASH = {
    "type": "object",
    "properties": {"command": {"type": "string"}, "why": {"type": "string"}},
    "required": ["command"],
}
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
FORCED = {"type": "function", "function": {"name": "other"}}


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "hekiu", "messages": list(messages) or [user("hello")], **fields}


def message(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"max_tokens": 1000, **chat(*messages, **fields)}


def response(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "hekiu", "input": list(items) or "hello", **fields}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def function(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def flat(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": schema}


def tool(name: str, schema: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": schema, **fields}


async def ask(path: str, body: Any) -> dict[str, Any]:
    reply = answer(path, json.dumps(body).encode())
    assert reply.status == 200, await client.read(reply)
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(await client.read(reply))


async def ask_chat(**body: Any) -> dict[str, Any]:
    return (await ask("/chat/completions", body))["choices"][0]


async def ask_streamed(path: str, body: dict[str, Any]) -> list[Any]:
    """The events as clients see them, one from each chunk: documents for chat, else (name, document)."""
    reply = answer(path, json.dumps({**body, "stream": True}).encode())
    assert reply.headers["content-type"] == "text/event-stream"
    pieces = []
    while piece := await reply.chunk():
        pieces.append(parsed(piece))
    return pieces


def without_ids(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ids come from the body, and the streamed one is another body."""
    return [{name: value for name, value in item.items() if name != "id"} for item in items]


def parsed(chunk: bytes) -> Any:
    assert chunk.endswith(b"\n\n")
    assert chunk.count(b"\n\n") == 1
    lines = chunk.decode().splitlines()
    data = lines[-2].removeprefix("data: ")
    document = data if data == "[DONE]" else json.loads(data)
    return (lines[0].removeprefix("event: "), document) if lines[0].startswith("event: ") else document
