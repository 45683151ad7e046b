"""Everything that can stand in a conversation, in each protocol's own spelling, or refused by name."""

import base64
from typing import Any

import pytest
from wire.translating import PNG, USER, asked, called, result, sent, text

from haze_proxy.errors import BadRequest
from haze_proxy.wire import translate
from haze_proxy.wire.options import Options

URL = "https://example.com/a.png"
PDF = "data:application/pdf;base64,aGF6ZQ=="
NOTES = "data:text/plain;base64," + base64.b64encode("Höhe 3".encode()).decode()


def base64_source(media_type: str) -> dict[str, str]:
    return {"type": "base64", "media_type": media_type, "data": "aGF6ZQ=="}


# By what it is: as chat, messages and responses spell it.
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "an image": (
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image", "source": base64_source("image/png")},
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
    ),
    "an image by URL": (
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image", "source": {"type": "url", "url": URL}},
        {"type": "input_image", "image_url": URL, "detail": "auto"},
    ),
    "a PDF": (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
        {"type": "document", "source": base64_source("application/pdf"), "title": "a.pdf"},
        {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
    ),
}
PLACES = {"chat": 0, "messages": 1, "responses": 2}


def turn(protocol: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """A request with one user turn of these parts."""
    role = {"role": "user", "content": list(parts)}
    return {"input": [{"type": "message", **role}]} if protocol == "responses" else {"messages": [role]}


def parts_of(protocol: str, body: dict[str, Any]) -> Any:
    """The parts of the last turn."""
    return body["input" if protocol == "responses" else "messages"][-1]["content"]


@pytest.mark.parametrize("spellings", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize(("source", "target"), sorted(translate.PAIRS))
def test_images_and_files_arrive(source: str, target: str, spellings: tuple[dict[str, Any], ...]) -> None:
    """A model that is told of a picture it cannot see invents one."""
    body = sent(source, target, **turn(source, spellings[PLACES[source]]))
    assert parts_of(target, body) == [spellings[PLACES[target]]]


def test_text_files_are_documents_to_claude_and_text_elsewhere() -> None:
    """OpenAI's files are PDFs."""
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Höhe 3"},
        "title": "n",
    }
    part = {"type": "file", "file": {"filename": "n", "file_data": NOTES}}
    assert parts_of("messages", sent("chat", "messages", **turn("chat", part))) == [document]
    assert parts_of("chat", sent("messages", "chat", **turn("messages", document))) == "n\nHöhe 3"
    said = parts_of("responses", sent("messages", "responses", **turn("messages", document)))
    assert said == [{"type": "input_text", "text": "n\nHöhe 3"}]


def test_a_file_without_a_data_url_is_known_by_its_name() -> None:
    """Some clients send bare base64."""
    part = {"type": "file", "file": {"filename": "a.PDF", "file_data": "aGF6ZQ=="}}
    block = parts_of("messages", sent("chat", "messages", **turn("chat", part)))[0]
    assert block["source"] == base64_source("application/pdf")


def test_a_pdf_by_url_reaches_who_can_fetch_it() -> None:
    """Haze fetches nothing: it could be made to read the owner's own network."""
    block = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    said = parts_of("responses", sent("messages", "responses", **turn("messages", block)))
    assert said == [{"type": "input_file", "file_url": "https://example.com/a.pdf"}]
    assert parts_of("messages", sent("responses", "messages", **turn("responses", said[0]))) == [block]
    with pytest.raises(BadRequest) as refused:
        sent("messages", "chat", **turn("messages", block))
    assert refused.value.param == "messages.0.content"


def test_the_blocks_of_a_document_and_search_results_are_said_as_text() -> None:
    """Other protocols have no such blocks, but the model must read them."""
    content = {"type": "document", "source": {"type": "content", "content": [text("One")]}}
    found = {"type": "search_result", "title": "T", "source": "https://e.com", "content": [text("Two")]}
    assert parts_of("chat", sent("messages", "chat", **turn("messages", content, found))) == [
        text("One"),
        text("T\nhttps://e.com\nTwo"),
    ]


def test_jpg_is_jpeg_to_claude() -> None:
    """Anthropic knows one spelling."""
    part = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,aGF6ZQ=="}}
    block = parts_of("messages", sent("chat", "messages", **turn("chat", part)))[0]
    assert block["source"]["media_type"] == "image/jpeg"


def test_how_closely_to_look_is_openais_own() -> None:
    """Between its protocols it stays; to Claude it is left out and named."""
    part = {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}
    assert parts_of("responses", sent("chat", "responses", **turn("chat", part)))[0]["detail"] == "low"
    assert asked("chat", "messages", **turn("chat", part)).dropped == ("messages.0.content.image.detail",)


REFUSED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "audio": ("chat", "messages", {"type": "input_audio", "input_audio": {}}, "messages.0.content.0"),
    "audio, responses": ("responses", "chat", {"type": "input_audio"}, "input.0.content.0"),
    "a file by id": ("chat", "messages", {"type": "file", "file": {"file_id": "f"}}, "messages.0.content.0.file"),
    "a file by id, messages": (
        "messages",
        "chat",
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        "messages.0.content.0.source",
    ),
    "an image by id": ("responses", "chat", {"type": "input_image", "file_id": "f"}, "input.0.content.0"),
    "an image by id, messages": (
        "messages",
        "chat",
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        "messages.0.content.0.source",
    ),
    "a picture Claude cannot see": (
        "chat",
        "messages",
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,aGF6ZQ=="}},
        "messages.0.content",
    ),
    "a picture that is none": (
        "chat",
        "responses",
        {"type": "image_url", "image_url": {"url": "data:text/html;base64,aGF6ZQ=="}},
        "messages.0.content.0.image_url.url",
    ),
    "a file Claude cannot read": (
        "chat",
        "messages",
        {"type": "file", "file": {"filename": "a.zip", "file_data": "aGF6ZQ=="}},
        "messages.0.content",
    ),
    "a text file that is no base64": (
        "chat",
        "messages",
        {"type": "file", "file": {"filename": "a.txt", "file_data": "???"}},
        "messages.0.content.0.file.file_data",
    ),
    "a container's file": ("messages", "chat", {"type": "container_upload", "file_id": "f"}, "messages.0.content.0"),
    "a block of tomorrow": ("messages", "chat", {"type": "hologram"}, "messages.0.content.0"),
}


@pytest.mark.parametrize(("source", "target", "part", "param"), REFUSED.values(), ids=REFUSED)
def test_what_a_model_could_not_see_is_refused(source: str, target: str, part: dict[str, Any], param: str) -> None:
    """Left out, it would be answered as if it had never been there."""
    with pytest.raises(BadRequest) as refused:
        sent(source, target, **turn(source, part))
    assert refused.value.param == param
    assert param in refused.value.message


# ---- tools


def test_errors_and_references_in_results_are_told_in_words() -> None:
    """Chat has no field for them."""
    use = {"type": "tool_use", "id": "a", "name": "Read", "input": {}}
    content = [text("gone"), {"type": "tool_reference", "tool_name": "Bash"}, {"type": "browser_state", "url": "u"}]
    outcome = {"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": content}
    turns = [USER, {"role": "assistant", "content": [use]}, {"role": "user", "content": [outcome]}]
    told = 'Error: gone\nTool found: Bash\n{"type":"browser_state","url":"u"}'
    assert sent("messages", "chat", messages=turns)["messages"][2]["content"] == told
    assert sent("messages", "responses", messages=turns)["input"][2]["output"] == told


def test_what_the_provider_ran_by_itself_is_left_out_in_pairs() -> None:
    """One half without the other is refused everywhere."""
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    turns = [USER, {"role": "assistant", "content": [search, found, text("Found.")]}, USER]
    translated = asked("messages", "chat", messages=turns)
    assert sent("messages", "chat", messages=turns)["messages"][1] == {"role": "assistant", "content": "Found."}
    assert translated.dropped == ("messages.content.server_tool_use", "messages.content.web_search_tool_result")
    items = [{"type": "web_search_call", "id": "ws", "status": "completed"}, {"role": "user", "content": "Hi"}]
    assert asked("responses", "messages", input=items).dropped == ("input.web_search_call",)


@pytest.mark.parametrize("arguments", ["", "  ", None, "[1]", "{broken"])
def test_arguments_that_are_no_object_reach_claude_all_the_same(arguments: Any) -> None:
    """A model's slip must not end the conversation for good."""
    call = called("a")
    call["tool_calls"][0]["function"]["arguments"] = arguments
    block = sent("chat", "messages", messages=[USER, call, result("a")])["messages"][1]["content"][0]
    assert block["input"] == ({"INVALID_JSON": arguments} if arguments and arguments.strip() else {})


def test_the_old_functions_are_tools() -> None:
    """They have no ids: a result belongs to the call before it."""
    turns = [
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
        {"role": "function", "name": "weather", "content": "sunny"},
    ]
    fields = {"functions": [{"name": "weather"}], "function_call": {"name": "weather"}}
    body = sent("chat", "messages", messages=turns, **fields)
    assert body["messages"][1]["content"][0]["id"] == body["messages"][2]["content"][0]["tool_use_id"]
    assert body["tools"] == [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "tool", "name": "weather"}


def test_tools_that_were_called_and_are_gone_are_switched_off_for_claude() -> None:
    """Anthropic refuses a history with calls where no tools are defined."""
    body = sent("chat", "messages", messages=[USER, called("a"), result("a")])
    assert body["tools"] == [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "none"}


GRAMMAR = {"syntax": "lark", "definition": "start: WORD"}


@pytest.mark.parametrize("target", ["chat", "messages"])
def test_a_custom_tool_becomes_a_function_with_one_text(target: str) -> None:
    """Codex patches files with one; its grammar is told in words."""
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** begin"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    ]
    tool = {"type": "custom", "name": "patch", "description": "Patch.", "format": {"type": "grammar", **GRAMMAR}}
    choice = {"type": "custom", "name": "patch"}
    body = sent("responses", target, input=items, tools=[tool], tool_choice=choice)
    function = body["tools"][0]["function"] if target == "chat" else body["tools"][0]
    assert function["description"] == "Patch.\n\nThe input must match this lark grammar:\nstart: WORD"
    assert (function.get("parameters") or function["input_schema"])["required"] == ["input"]
    if target == "chat":
        assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"input":"*** begin"}'
        assert body["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    else:
        assert body["messages"][1]["content"][0]["input"] == {"input": "*** begin"}


def test_a_custom_tool_stays_one_between_openais_protocols() -> None:
    """Both have them, spelled differently."""
    tool = {"type": "custom", "custom": {"name": "patch", "format": {"type": "grammar", "grammar": GRAMMAR}}}
    call = {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** begin"}}
    turns = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}, result("c")]
    body = sent(
        "chat", "responses", messages=turns, tools=[tool], tool_choice={"type": "custom", "custom": {"name": "patch"}}
    )
    assert body["tools"] == [{"type": "custom", "name": "patch", "format": {"type": "grammar", **GRAMMAR}}]
    assert body["tool_choice"] == {"type": "custom", "name": "patch"}
    assert [item["type"] for item in body["input"][1:]] == ["custom_tool_call", "custom_tool_call_output"]


# ---- the model's own turns


@pytest.mark.parametrize("target", ["messages", "responses"])
def test_a_refusal_of_before_is_what_the_model_said(target: str) -> None:
    """It must not ask itself again what it refused."""
    turns = [USER, {"role": "assistant", "content": None, "refusal": "I will not."}, USER]
    body = sent("chat", target, messages=turns)
    content = body["messages"][1]["content"] if target == "messages" else body["input"][1]["content"]
    assert content in ([text("I will not.")], "I will not.")
    items = [{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}]
    assert sent("responses", "chat", input=items)["messages"] == [{"role": "assistant", "content": "No."}]


def test_a_beginning_of_the_answer_is_given_to_the_model() -> None:
    """Prefill: the model goes on with its own words, which must not end in white space."""
    turns = [USER, {"role": "assistant", "content": "Once upon "}]
    assert sent("chat", "messages", messages=turns)["messages"][1]["content"] == [text("Once upon")]
    asked_on = sent("chat", "messages", Options(prefill=False), messages=turns)["messages"]
    assert asked_on[2] == {"role": "user", "content": [text("Continue.")]}
    assert sent("messages", "chat", messages=turns)["messages"][1] == {"role": "assistant", "content": "Once upon "}


@pytest.mark.parametrize("turns", [[], [{"role": "system", "content": "Hi"}], [{"role": "assistant", "content": "Hi"}]])
def test_claude_gets_a_users_word_first(turns: list[Any]) -> None:
    """Anthropic refuses a conversation that does not begin with one."""
    assert sent("chat", "messages", messages=turns)["messages"][0] == {"role": "user", "content": [text(".")]}


def test_openais_encrypted_reasoning_goes_back_to_openai() -> None:
    """A chat client of a Responses channel holds it as details, as OpenRouter's clients do."""
    details = [
        {"type": "reasoning.summary", "summary": "Look.", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "id": "rs_1", "data": "gAAAA", "format": "openai-responses-v1", "index": 0},
    ]
    body = sent("chat", "responses", messages=[USER, called("a", reasoning_details=details), result("a")])
    summary = [{"type": "summary_text", "text": "Look."}]
    assert body["input"][1] == {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAAA"}


def test_openrouters_details_go_back_as_they_came() -> None:
    """Unchanged, or Gemini's and Claude's tool use fails behind it."""
    block = {"type": "thinking", "thinking": "Look.", "signature": ""}
    detail = {"type": "reasoning.text", "text": "Look.", "signature": "g", "format": "google-gemini-v1", "index": 0}
    from haze_proxy.wire import seal
    from haze_proxy.wire.conversation import Seal

    block["signature"] = seal.pack(Seal("chat", {"details": [detail]}))
    body = sent("messages", "chat", messages=[USER, {"role": "assistant", "content": [block, text("Hi")]}, USER])
    assert body["messages"][1] == {"role": "assistant", "content": "Hi", "reasoning_details": [detail]}
