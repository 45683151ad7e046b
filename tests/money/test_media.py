"""Images and sound are told apart from text wherever a protocol carries them."""

from typing import Any

import pytest

from haze_proxy.money.media import unmetered_field

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
TEXT = {"type": "text", "text": "an image_url"}


def _chat(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": list(parts)}]}


def _file(media_type: str) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": f"data:{media_type};base64,AAAA"}}


BROUGHT: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "text": ("chat", _chat(TEXT), set()),
    "an image": ("chat", _chat(TEXT, IMAGE), {"image"}),
    "sound": ("chat", _chat(SOUND), {"audio"}),
    "a video": ("chat", _chat({"type": "video_url", "video_url": {"url": "https://x"}}), {"audio", "image"}),
    "a document": ("chat", _chat(_file("application/pdf")), set()),
    "a file of sound": ("chat", _chat(_file("audio/mpeg")), {"audio"}),
    "a file of pictures": ("chat", _chat(_file("IMAGE/PNG")), {"image"}),
    "a file of film": ("chat", _chat(_file("video/mp4")), {"audio", "image"}),
    "a file that is none": ("chat", _chat({"type": "file", "file": 7}), set()),
    "an image of Anthropic's": ("messages", _chat({"type": "image", "source": {"type": "url"}}), {"image"}),
    "an image in a tool's result": ("messages", _chat({"type": "tool_result", "content": [IMAGE]}), {"image"}),
    "an image in a document": (
        "messages",
        _chat({"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}}),
        {"image"},
    ),
    "an image of responses": ("responses", {"input": [{"content": [{"type": "input_image"}]}]}, {"image"}),
    "a screenshot": ("responses", {"input": [{"output": {"type": "computer_screenshot"}}]}, {"image"}),
    "a file of responses": (
        "responses",
        {"input": [{"content": [{"type": "input_file", "file_data": "data:audio/wav;base64,AA"}]}]},
        {"audio"},
    ),
    "no turns": ("responses", {"input": "text"}, set()),
    "embeddings": ("embeddings", {"input": ["text"]}, set()),
}


@pytest.mark.parametrize(("protocol", "body", "kinds"), BROUGHT.values(), ids=BROUGHT)
def test_what_is_brought_is_told(protocol: str, body: dict[str, Any], kinds: set[str]) -> None:
    """And is refused only where the price does not cover it."""
    field = {"chat": "messages", "messages": "messages", "responses": "input"}.get(protocol)
    for kind in ("audio", "image"):
        assert unmetered_field(body, protocol, (kind,)) == (field if kind in kinds else None)
    assert unmetered_field(body, protocol, ()) is None
