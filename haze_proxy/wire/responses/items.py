"""Blocks of an answer as output items of a Responses answer."""

from typing import Any

from haze_proxy.wire import seal
from haze_proxy.wire.blocks import Block
from haze_proxy.wire.conversation import Seal
from haze_proxy.wire.responses.items_reader import ORIGIN
from haze_proxy.wire.values import obj

PREFIXES = {"text": "msg", "refusal": "msg", "reasoning": "rs", "call": "fc"}

Item = dict[str, Any]


def added(block: Block, seed: str) -> Item:
    """The item as it begins: without what is still to come."""
    item = complete(block, seed, "in_progress")
    return item | {"content": []} if item["type"] == "message" else item


def complete(block: Block, seed: str, status: str = "completed") -> Item:
    """The item with everything the block holds."""
    if block.call is not None:
        return _call(block, seed, status)
    if block.kind == "reasoning":
        return _reasoning(block, seed)
    part: Item = {"type": "refusal", "refusal": block.text}
    if block.kind == "text":
        part = {"type": "output_text", "text": block.text, "annotations": _annotations(block), "logprobs": []}
    identity = {"id": _id(block, seed), "type": "message", "status": status, "role": "assistant"}
    return {**identity, "content": [part]}


def _id(block: Block, seed: str) -> str:
    prefix = "ctc" if block.call is not None and block.call.custom else PREFIXES[block.kind]
    return f"{prefix}_{seed}_{block.index}"


def _call(block: Block, seed: str, status: str) -> Item:
    call = block.call
    assert call is not None  # noqa: S101 - the caller looked
    kind = "custom_tool_call" if call.custom else "function_call"
    item: Item = {"id": _id(block, seed), "type": kind, "status": status, "call_id": block.id, "name": call.name}
    if call.namespace:
        item["namespace"] = call.namespace
    said = block.text or ("{}" if status == "completed" and not call.custom else "")
    return {**item, "input" if call.custom else "arguments": said}


def _reasoning(block: Block, seed: str) -> Item:
    """What the provider wants back is in `encrypted_content`: OpenAI's own as it is, another's packed."""
    summary = [{"type": "summary_text", "text": block.text}] if block.pieces else []
    identity = {"id": _id(block, seed), "type": "reasoning"}
    return {**identity, "summary": summary, "encrypted_content": _encrypted(block.seal)}


def _encrypted(given: Seal | None) -> object:
    if given is None:
        return None
    return obj(given.data).get("encrypted_content") if given.origin == ORIGIN else seal.pack(given)


def _annotations(block: Block) -> list[Item]:
    end = len(block.text)
    return [
        {"type": "url_citation", "url": source.url, "title": source.title, "start_index": 0, "end_index": end}
        for source in block.cited
    ]
