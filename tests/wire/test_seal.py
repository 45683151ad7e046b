"""What one provider wants back travels through clients of another protocol, and reaches nobody else."""

import base64

import orjson
from wire.translating import USER, called, kinds, result, sent, text

from haze_proxy.wire import seal, translate
from haze_proxy.wire.conversation import Seal


def test_a_seal_of_hazes_own_never_reaches_anthropic() -> None:
    """A client that moves from a translated channel to a native one brings it along."""
    packed = seal.pack(Seal("chat", {"field": "reasoning_content"}))
    thought = {"type": "thinking", "thinking": "Look.", "signature": packed}
    cited = {"type": "web_search_result_location", "url": "u", "encrypted_index": seal.PREFIX}
    said = text("Hi", citations=[cited])
    turns = [USER, {"role": "assistant", "content": [thought, said]}, {"role": "assistant", "content": [thought]}]
    kept = orjson.loads(translate.native_body(orjson.dumps({"model": "m", "messages": turns}), "messages"))
    assert kept["messages"][1]["content"] == [text("Hi", citations=None)]
    assert seal.PREFIX not in orjson.dumps(kept).decode()
    items = [{"type": "reasoning", "summary": [], "encrypted_content": packed}, {"role": "user", "content": "Hi"}]
    kept = orjson.loads(translate.native_body(orjson.dumps({"input": items}), "responses"))
    assert kept["input"] == items[1:]


def test_a_body_without_seals_is_the_clients_own_bytes() -> None:
    """Native stays native."""
    body = b'{ "model" : "m", "messages" : [ ] }'
    assert translate.native_body(body, "messages") is body


def test_foreign_signatures_never_reach_anthropic() -> None:
    """Another provider's are refused there, whatever protocol they came by."""
    details = [{"type": "reasoning.text", "text": "x", "signature": "g", "format": "google-gemini-v1", "index": 0}]
    body = sent("chat", "messages", messages=[USER, called("a", reasoning_details=details), result("a")])
    assert kinds(body["messages"][1]) == ["tool_use"]
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    body = sent("responses", "messages", input=[{"role": "user", "content": "Hi"}, item])
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_a_damaged_seal_is_no_seal() -> None:
    """Its bytes have been through a client."""
    for broken in ("haze1-", "haze1-!!", "haze1-" + base64.urlsafe_b64encode(b"{}").decode(), 5, None):
        assert seal.unpack(broken) is None
