"""The OpenAI SDKs' embeddings: they ask for base64 unless told otherwise, and give people numbers."""

from typing import Any

import openai
import pytest
from front import Front
from harness import Errand

TEXTS = ["Hello!", "Good-bye!"]
MODELS = ("hekiu", "text-embedding-3-small")  # the embedded channel, a pretend provider
DIMENSIONS = 8


@pytest.mark.parametrize("model", MODELS)
def test_python_gets_the_same_vectors_in_either_format(model: str, openai_python: openai.OpenAI, front: Front) -> None:
    """By default the SDK asks for base64 and decodes it; who asks for floats must get the very same numbers."""
    packed = openai_python.embeddings.create(model=model, input=TEXTS)
    plain = openai_python.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    assert [seen.json()["encoding_format"] for seen in front.requests] == ["base64", "float"]
    assert [entry.index for entry in packed.data] == [0, 1]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)  # base64 carries 32-bit floats
    assert packed.usage.prompt_tokens == packed.usage.total_tokens > 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
def test_python_gets_as_many_dimensions_as_it_asks_for(model: str, options: Any, openai_python: openai.OpenAI) -> None:
    """People size their vector tables by this number."""
    (entry,) = openai_python.embeddings.create(model=model, input=TEXTS[0], dimensions=DIMENSIONS, **options).data
    assert len(entry.embedding) == DIMENSIONS


@pytest.mark.parametrize("model", MODELS)
def test_python_sends_tokens_instead_of_text(model: str, openai_python: openai.OpenAI) -> None:
    """LangChain sends what it has counted: lists of token numbers, one vector for each list."""
    answer = openai_python.embeddings.create(model=model, input=[[9906, 0], [15571, 48583, 0]])
    assert len(answer.data) == 2


@pytest.mark.parametrize("model", MODELS)
def test_node_gets_the_same_vectors_in_either_format(model: str, openai_node: Errand) -> None:
    """The other SDK decodes with code of its own."""
    seen = openai_node("embeddings", model)
    for one, other in zip(seen["packed"], seen["plain"], strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    assert len(seen["packed"]) == len(TEXTS)
    assert [len(vector) for vector in seen["short"]] == [DIMENSIONS]
