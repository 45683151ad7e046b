"""What an answer can hold beside text, thoughts and calls; and how it can end."""

from typing import Any

import orjson
import pytest
from wire.fold import fold, says
from wire.lint import events
from wire.translating import answered, asked, call, chunks, delta, folded, named, refused, streamed

from haze_proxy.errors import BadRequest, HazeError, Overloaded, RateLimited, UpstreamFailed, UpstreamSilent
from haze_proxy.wire import seal, translate

CITED = {"type": "web_search_result_location", "url": "https://e.com", "title": "E", "cited_text": "x"}


def messages_stream(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], **stop: Any) -> list[bytes]:
    """A Messages stream of these blocks with their deltas."""
    bodies: list[dict[str, Any]] = [{"type": "message_start", "message": {"usage": {"input_tokens": 5}}}]
    for index, (block, deltas) in enumerate(blocks):
        bodies.append({"type": "content_block_start", "index": index, "content_block": block})
        bodies += [{"type": "content_block_delta", "index": index, "delta": each} for each in deltas]
        bodies.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": "end_turn", **stop}
    bodies.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": 2}})
    return named(*bodies, {"type": "message_stop"})


def text_block(said: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": said}]


# ---- how an answer ends

STOPS = {
    "end_turn": ("stop", "completed", None),
    "stop_sequence": ("stop", "completed", None),
    "pause_turn": ("stop", "completed", None),
    "max_tokens": ("length", "incomplete", "max_output_tokens"),
    "model_context_window_exceeded": ("length", "incomplete", "max_output_tokens"),
    "refusal": ("content_filter", "incomplete", "content_filter"),
    "something new": ("stop", "completed", None),
}


@pytest.mark.parametrize("reason", STOPS)
def test_every_reason_of_claude_has_an_equal(reason: str) -> None:
    """An agent goes by it."""
    finish, status, incomplete = STOPS[reason]
    stream = messages_stream(text_block("Hi"), stop_reason=reason)
    assert folded("chat", "messages", stream)["choices"][0]["finish_reason"] == finish
    response = folded("responses", "messages", stream)
    assert (response["status"], (response["incomplete_details"] or {}).get("reason")) == (status, incomplete)


FINISHES = {
    "stop": ("end_turn", "completed"),
    "length": ("max_tokens", "incomplete"),
    "content_filter": ("refusal", "incomplete"),
    "something new": ("end_turn", "completed"),
}


@pytest.mark.parametrize("reason", FINISHES)
def test_every_reason_of_chat_has_an_equal(reason: str) -> None:
    """A reason nobody knows ends the turn."""
    stream = chunks(delta(content="Hi"), delta(reason), "[DONE]")
    assert folded("messages", "chat", stream)["stop_reason"] == FINISHES[reason][0]
    assert folded("responses", "chat", stream)["status"] == FINISHES[reason][1]


def test_the_sequence_that_was_met_is_told_where_it_can_be() -> None:
    """And the id of the model is the one that was asked for, so that thinking is not taken for foreign."""
    stream = chunks(delta(content="Hi"), delta("stop"), "[DONE]")
    message = folded("messages", "chat", stream)
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert (message["model"], message["id"]) == ("m", "msg_s1")
    chat = folded("chat", "messages", messages_stream(text_block("Hi")))
    assert (chat["model"], chat["id"]) == ("m", "chatcmpl-s1")
    response = folded("responses", "messages", messages_stream(text_block("Hi")))
    assert (response["model"], response["id"], response["created_at"]) == ("m", "resp_s1", 1_800_000_000)


def test_a_call_that_met_the_limit_is_not_called_complete() -> None:
    """Half of its arguments is missing: an agent must not run it."""
    stream = chunks(delta(tool_calls=[call(0, "a", "rm", '{"path":"/tm')]), delta("length"), "[DONE]")
    out, _ = streamed(asked("messages", "chat"), stream)
    assert b'"stop_reason":"max_tokens"' in out
    block = {"type": "tool_use", "id": "toolu_1", "name": "rm", "input": {}}
    cut = [{"type": "input_json_delta", "partial_json": '{"path":"/tm'}]
    choice = folded("chat", "messages", messages_stream((block, cut), stop_reason="max_tokens"))["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"path":"/tm'


def test_claudes_refusal_says_why() -> None:
    """OpenAI has a field for it."""
    details = {"type": "refusal", "category": "x", "explanation": "Not this."}
    stream = messages_stream(text_block("I"), stop_reason="refusal", stop_details=details)
    choice = folded("chat", "messages", stream)["choices"][0]
    assert (choice["finish_reason"], choice["message"]["refusal"]) == ("content_filter", "Not this.")


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_a_refusal_is_what_the_model_says(source: str) -> None:
    """Messages has no block for it, Responses has."""
    stream = chunks(delta(refusal="I will "), delta(refusal="not."), delta("stop"), "[DONE]")
    answer = folded(source, "chat", stream)
    if source == "messages":
        assert answer["content"] == [{"type": "text", "text": "I will not."}]
    else:
        assert answer["output"][0]["content"] == [{"type": "refusal", "refusal": "I will not."}]
        assert answer["status"] == "completed"


def test_a_refusal_of_responses_is_one_in_chat() -> None:
    """In pieces or whole."""
    part = {"type": "refusal", "refusal": "No."}
    item = {"id": "msg", "type": "message", "role": "assistant", "content": [part]}
    response = {"status": "completed", "output": [item], "usage": {"input_tokens": 1, "output_tokens": 1}}
    place = {"output_index": 0, "content_index": 0}
    pieces = [
        {"type": "response.refusal.delta", **place, "delta": "N"},
        {"type": "response.refusal.done", **place, "refusal": "No."},
    ]
    for body in ([], pieces):
        stream = named(*body, {"type": "response.completed", "response": response})
        message = folded("chat", "responses", stream)["choices"][0]["message"]
        assert (message["refusal"], message["content"]) == ("No.", "")
    whole = answered(response, "chat", "responses")["choices"][0]["message"]
    assert (whole["refusal"], whole["content"]) == ("No.", None)


# ---- sources


def test_claudes_sources_are_annotations() -> None:
    """Where they have an address; places in the client's own documents have none."""
    own = {"type": "char_location", "cited_text": "x", "document_index": 0}
    cited = [{"type": "citations_delta", "citation": each} for each in (CITED, own)]
    block, deltas = text_block("Hi")
    stream = messages_stream((block, [*deltas, *cited]))
    message = folded("chat", "messages", stream)["choices"][0]["message"]
    assert [entry["url_citation"]["url"] for entry in message["annotations"]] == ["https://e.com"]
    part = folded("responses", "messages", stream)["output"][0]["content"][0]
    assert [(entry["url"], entry["title"]) for entry in part["annotations"]] == [("https://e.com", "E")]
    body = {"content": [{"type": "text", "text": "Hi", "citations": [CITED, own]}], "stop_reason": "end_turn"}
    whole = answered(body, "chat", "messages")["choices"][0]["message"]
    assert whole["annotations"] == message["annotations"]


@pytest.mark.parametrize("target", ["chat", "responses"])
def test_annotations_are_claudes_sources(target: str) -> None:
    """Marked, because the real Anthropic would refuse a bookmark it did not make."""
    cited = {"type": "url_citation", "url": "https://e.com", "title": "E"}
    if target == "chat":
        stream = chunks(delta(content="Hi", annotations=[{"url_citation": cited}]), delta("stop"), "[DONE]")
    else:
        place = {"output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "Hi", "annotations": [cited]}
        item = {"type": "message", "content": [part]}
        stream = named(
            {"type": "response.output_text.delta", **place, "delta": "Hi"},
            {"type": "response.output_text.annotation.added", **place, "annotation": cited},
            {"type": "response.completed", "response": {"status": "completed", "output": [item]}},
        )
    citation = folded("messages", target, stream)["content"][0]["citations"]
    assert citation == [
        {
            "type": "web_search_result_location",
            "url": "https://e.com",
            "title": "E",
            "cited_text": "",
            "encrypted_index": seal.PREFIX,
        }
    ]


# ---- thoughts


def test_thoughts_that_nobody_may_read_come_back_all_the_same() -> None:
    """Redacted ones, and signatures without a text."""
    redacted = ({"type": "redacted_thinking", "data": "b3BhcXVl"}, [])
    omitted = (
        {"type": "thinking", "thinking": "", "signature": ""},
        [{"type": "signature_delta", "signature": "c2ln"}],
    )
    stream = messages_stream(redacted, omitted, text_block("Hi"))
    message = folded("chat", "messages", stream)["choices"][0]["message"]
    assert [(d["type"], d.get("data"), d.get("signature")) for d in message["reasoning_details"]] == [
        ("reasoning.encrypted", "b3BhcXVl", None),
        ("reasoning.text", None, "c2ln"),
    ]
    items = folded("responses", "messages", stream)["output"][:2]
    carried = [seal.unpack(item["encrypted_content"]) for item in items]
    assert [seal and seal.data for seal in carried] == [{"data": "b3BhcXVl"}, {"signature": "c2ln"}]
    assert [item["summary"] for item in items] == [[], []]


def test_openais_encrypted_reasoning_reaches_a_chat_client() -> None:
    """As OpenRouter tells it, so that it can come back."""
    summary = [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}]
    item = {"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": "gAAAA"}
    said = {"id": "msg", "type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    response = {"status": "completed", "output": [item, said]}
    message = answered(response, "chat", "responses")["choices"][0]["message"]
    assert message["reasoning_content"] == "One.\n\nTwo."
    assert [(d["type"], d.get("data") or d.get("summary")) for d in message["reasoning_details"]] == [
        ("reasoning.summary", "One.\n\nTwo."),
        ("reasoning.encrypted", "gAAAA"),
    ]


def test_openrouters_details_are_put_together() -> None:
    """They come in pieces, and must go back as wholes."""
    pieces = [
        {"type": "reasoning.text", "text": "Lo", "format": "google-gemini-v1", "index": 0},
        {"type": "reasoning.text", "text": "ok.", "signature": "g", "format": "google-gemini-v1", "index": 0},
    ]
    stream = chunks(
        *[delta(reasoning=piece["text"], reasoning_details=[piece]) for piece in pieces],
        delta(content="Hi"),
        delta("stop"),
        "[DONE]",
    )
    block = folded("messages", "chat", stream)["content"][0]
    carried = seal.unpack(block["signature"])
    assert block["thinking"] == "Look."
    assert carried is not None
    assert carried.data == {"details": [{**pieces[1], "text": "Look."}]}


# ---- custom tools


@pytest.mark.parametrize("arguments", [['{"input":"*** ', 'begin"}'], ["*** begin"]], ids=["wrapped", "bare"])
def test_a_custom_tool_gets_its_free_text(arguments: list[str]) -> None:
    """Unwrapped from the function that stood for it; a model that forgot the wrapping is understood."""
    tools = [{"type": "custom", "name": "patch"}]
    stream = chunks(
        delta(tool_calls=[call(0, "c", "patch", "")]),
        *[delta(tool_calls=[call(0, args=piece)]) for piece in arguments],
        delta("tool_calls"),
        "[DONE]",
    )
    item = folded("responses", "chat", stream, tools=tools)["output"][0]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "patch", "*** begin")


def test_custom_calls_pass_between_openais_protocols() -> None:
    """Streamed and whole."""
    item = {"id": "ctc", "type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** begin"}
    place = {"output_index": 0, "item_id": "ctc"}
    stream = named(
        {"type": "response.output_item.added", **place, "item": {**item, "input": ""}},
        {"type": "response.custom_tool_call_input.delta", **place, "delta": "*** begin"},
        {"type": "response.output_item.done", **place, "item": item},
        {"type": "response.completed", "response": {"status": "completed", "output": [item]}},
    )
    wanted = [{"id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** begin"}}]
    assert folded("chat", "responses", stream)["choices"][0]["message"]["tool_calls"] == wanted
    whole = answered({"output": [item]}, "chat", "responses")
    assert whole["choices"][0]["message"]["tool_calls"] == wanted


def test_the_old_function_call_is_a_call() -> None:
    """Some servers still send it."""
    stream = chunks(
        delta(function_call={"name": "weather", "arguments": '{"a"'}),
        delta(function_call={"arguments": ":1}"}),
        delta("function_call"),
        "[DONE]",
    )
    message = folded("messages", "chat", stream)
    assert (message["content"][0]["input"], message["stop_reason"]) == ({"a": 1}, "tool_use")


def test_calls_without_ids_get_ones_of_their_own() -> None:
    """Results are told apart by them."""
    calls = [call(None, "", "weather", "{}")] * 2
    answer = {"choices": [{"message": {"tool_calls": calls}, "finish_reason": "stop"}]}
    blocks = answered(answer, "messages", "chat")["content"]
    assert [block["id"] for block in blocks] == ["toolu_s1_0", "toolu_s1_1"]


# ---- answers that are none

KINDS: dict[str, tuple[dict[str, Any], type[HazeError], int]] = {
    "invalid": ({"type": "invalid_request_error", "message": "no"}, BadRequest, 400),
    "full": ({"code": "context_length_exceeded", "message": "no"}, translate.ContextFull, 400),
    "too many": ({"code": 429, "message": "no"}, RateLimited, 429),
    "overloaded": ({"type": "overloaded_error", "message": "no"}, Overloaded, 529),
    "silent": ({"code": 504, "message": "no"}, UpstreamSilent, 504),
    "the owner's": ({"code": 402, "message": "pay"}, UpstreamFailed, 502),
    "broken": ({"message": "no"}, UpstreamFailed, 502),
}


@pytest.mark.parametrize(("error", "kind", "status"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("pair", sorted(translate.PAIRS))
def test_an_error_in_place_of_an_answer_is_the_error_it_means(
    pair: tuple[str, str], error: dict[str, Any], kind: type[HazeError], status: int
) -> None:
    """There is still a status for it, and another channel to ask."""
    with pytest.raises(kind) as failed:
        translate.answer({"type": "error", "error": error}, asked(*pair))
    assert failed.value.status == status
    assert "pay" not in failed.value.message


def test_a_full_context_is_told_in_claudes_words() -> None:
    """Also where the provider said it with status 200."""
    error = {"code": "context_length_exceeded", "message": "maximum context length is 10 tokens, resulted in 12 tokens"}
    with pytest.raises(translate.ContextFull, match="prompt is too long: 12 tokens > 10 maximum"):
        translate.answer({"error": error}, asked("messages", "chat"))


STATUSES = {
    400: 400,
    404: 404,
    408: 504,
    413: 413,
    418: 400,
    422: 400,
    429: 429,
    500: 502,
    503: 529,
    504: 504,
    529: 529,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [{"error": {"message": "Say it."}}, {"error": "Say it."}, "Say it.", {}])
def test_a_refusal_keeps_its_status_and_its_words(status: int, body: Any) -> None:
    """In the client's own envelope; OpenAI has no 529."""
    told, error = refused(status, body, "messages", "chat")
    assert told == STATUSES[status]
    assert error["type"] == "error"
    assert error["request_id"] == "s1"
    assert error["error"]["message"] == ("Say it." if body else "The provider failed.")
    told, error = refused(status, body, "chat", "messages")
    assert told == (503 if STATUSES[status] == 529 else STATUSES[status])
    assert error["error"].keys() == {"message", "type", "param", "code"}


def test_arguments_too_deep_to_be_written_are_the_providers_failure() -> None:
    """A parser reads deeper nesting than it writes."""
    deep: Any = 1
    for _ in range(400):
        deep = {"a": deep}
    body = {"content": [{"type": "tool_use", "id": "a", "name": "f", "input": deep}], "stop_reason": "tool_use"}
    assert answered(body, "chat", "messages")["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
    function = {"name": "f", "arguments": '{"a":' * 400 + "1" + "}" * 400}
    message = {"tool_calls": [{"id": "a", "function": function}], "reasoning_details": [{"data": deep}]}
    with pytest.raises(UpstreamFailed):
        answered({"choices": [{"message": message}]}, "messages", "chat")


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_half_a_character_is_not_the_end_of_a_chunk(source: str) -> None:
    """Some servers cut an emoji in two; the words beside it must not be lost."""
    halves = [b'"Hi \\ud83d"', b'"\\ude0a you"', b'" \\ud83d\\ude0a"']
    stream = [b'data: {"choices":[{"index":0,"delta":{"content":%b}}]}\n\n' % half for half in halves]
    out, _ = streamed(asked(source, "chat"), [*stream, *chunks(delta("stop"), "[DONE]")])
    assert says(source, fold(source, out))["text"] == "Hi \ufffd\ufffd you \U0001f60a"


def test_an_event_that_never_ends_ends_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is finite."""
    monkeypatch.setattr("haze_proxy.wire.sse.EVENT_BYTES_MAX", 100)
    for source, target in sorted(translate.PAIRS):
        reader = translate.PROTOCOLS[target].Reader()
        assert type(reader.feed(b"data: " + b"x" * 200)[-1]).__name__ == "Failed"
        assert source != target


@pytest.mark.parametrize("source", ["chat", "messages"])
def test_an_answer_of_responses_without_pieces_is_whole(source: str) -> None:
    """Only the terminal event came."""
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    stream = named({"type": "response.completed", "response": {"status": "completed", "output": [item]}})
    out, _ = streamed(asked(source, "responses"), stream)
    assert orjson.dumps("Hi") in out
    assert len(list(events(out))) > 2
    assert fold(source, out)
