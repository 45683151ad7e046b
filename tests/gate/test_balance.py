"""Can they pay? Money is set aside before any is spent, and what cannot be priced is refused."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
from checks import held, refused, untouched
from gateway import ECHO, PAID, PATHS, Haze, asking, channel, running
from provider import Provider, Reply, right_answer, whole

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
NANO = 1_000_000_000


def worth(body: dict[str, Any], output: int) -> int:
    """What the design holds on `paid`: bytes / 2.2 and 12 a turn at 1,000 nano-dollars, output at 10,000."""
    return (math.ceil(len(json.dumps(body)) / 2.2) + 12) * 1_000 + output * 10_000


# Fields -> output tokens held. A stream holds one slice (2,048 here), a whole answer its limit, else the model's 1,000.
HOLDS: dict[str, tuple[str, dict[str, Any], int]] = {
    "chat, its own limit": ("chat", {"max_tokens": 70}, 70),
    "chat, the newer name": ("chat", {"max_completion_tokens": 70}, 70),
    "chat, both: the larger": ("chat", {"max_completion_tokens": 70, "max_tokens": 300}, 300),
    "chat, no limit: the model's": ("chat", {}, 1000),
    "chat, three answers": ("chat", {"max_tokens": 70, "n": 3}, 210),
    "chat, three answers without a limit": ("chat", {"n": 3}, 3000),
    "chat stream, a slice": ("chat", {"max_tokens": 32_000, "stream": True}, 2048),
    "chat stream, less than a slice": ("chat", {"max_tokens": 70, "stream": True}, 70),
    "messages, its own limit": ("messages", {"max_tokens": 70}, 70),
    "messages stream, a slice": ("messages", {"max_tokens": 128_000, "stream": True}, 2048),
    "responses, its own limit": ("responses", {"max_tokens": 70}, 70),
    "responses, no limit: the model's": ("responses", {}, 1000),
    "responses stream, a slice": ("responses", {"max_tokens": 32_000, "stream": True}, 2048),
}


@pytest.mark.parametrize(("protocol", "fields", "output"), HOLDS.values(), ids=HOLDS)
async def test_what_a_request_may_cost_is_held_while_it_runs(
    chained: Haze, provider: Provider, protocol: str, fields: dict[str, Any], output: int
) -> None:
    """Too little and a balance is overrun; too much and paying customers of long answers are refused."""
    gate = asyncio.Event()
    provider.otherwise = lambda received: Reply(status=400, late=gate, body={"error": {"message": "no"}})
    body = asking(protocol, "paid", **fields)
    running = asyncio.create_task(chained.post(PATHS[protocol], body))
    await provider.received(1)
    assert held(chained) == worth(body, output)
    gate.set()
    assert (await running).status == 400
    (row,) = await chained.ended()
    assert (row["held"], row["cost"], held(chained)) == (worth(body, output), 0, 0)


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_402_says_what_is_missing_what_is_there_and_what_to_do(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """Clients show this text as it stands: it is the only help a person in a terminal gets."""
    key = await chained.known(chained.account("0.0001", email="poor@example.com"))
    body = asking(protocol, "paid", max_tokens=100, stream=stream)
    answer = await chained.post(PATHS[protocol], body, key=key)
    message = refused(answer, protocol, 402)
    needed = f"{worth(body, 100) / NANO:.9f}".rstrip("0")
    assert f"${needed}" in message
    assert "$0.0001 are available" in message
    assert message.endswith("Top up at http://127.0.0.1:8080/dashboard/billing")
    assert provider.requests == []
    untouched(chained)


@EACH
async def test_to_the_last_nano_dollar(chained: Haze, protocol: str) -> None:
    """A balance that just pays the hold is enough; one nano-dollar less is not."""
    body = asking(protocol, "paid", max_tokens=100)
    enough = worth(body, 100)
    keys = {
        amount: chained.account(f"{amount / NANO:.9f}", email=f"{amount}@example.com")
        for amount in (enough, enough - 1)
    }
    await chained.known(keys[enough - 1])
    assert (await chained.post(PATHS[protocol], body, key=keys[enough])).status == 200
    assert (await chained.post(PATHS[protocol], body, key=keys[enough - 1])).status == 402
    assert chained.balance(2) == enough - 41_000
    assert chained.check() == []


@EACH
async def test_a_model_nobody_serves_is_503_also_for_an_empty_wallet(chained: Haze, protocol: str) -> None:
    """Who tops up for a model that is not there has been cheated."""
    key = await chained.known(chained.account("0", email="poor@example.com"))
    answer = await chained.ask(protocol, "nobody/serves-this", key=key)
    assert "`nobody/serves-this`" in refused(answer, protocol, 503)
    assert answer.headers["x-should-retry"] == "false"


async def test_503_names_the_endpoint_where_a_model_is_served(tmp_path: Path, provider: Provider) -> None:
    """The model is right and the path is not: the message says which one to change."""
    async with running(tmp_path, PAID + channel("openai", provider.url, translate="false")) as haze:
        assert "It is served on: chat, embeddings, responses." in refused(
            await haze.ask("messages", "paid"), "messages", 503
        )


async def test_an_unknown_price_is_a_refusal_and_never_a_zero(tmp_path: Path, provider: Provider) -> None:
    """A model that costs nobody-knows-what would be given away."""
    models = '["unpriced", "no-output"]'
    text = '\n[[models]]\nid = "no-output"\ninput = 1\n'
    async with running(tmp_path, text + channel("openai", provider.url, models)) as haze:
        for model in ("unpriced", "no-output"):
            message = refused(await haze.ask("chat", model), "chat", 503)
            assert "No available upstream channel" in message
        assert "price is not known" in refused(await haze.ask("chat", "unpriced"), "chat", 503)
        assert provider.requests == []


@EACH
async def test_a_model_the_key_may_not_use_is_404_and_names_those_it_may(haze: Haze, protocol: str) -> None:
    """And says so before it looks at the balance or the channels."""
    key = await haze.known(haze.account("0", email="few@example.com", models=("one", "two/three")))
    for model in ("hekiu", "nobody/serves-this"):
        message = refused(await haze.ask(protocol, model, key=key), protocol, 404)
        assert message == f"This API key may not use `{model}`. It may use: one, two/three."


@EACH
async def test_a_keys_budget_is_held_and_spent_beside_the_balance(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """A budget is what the owner of an account promises himself: running requests count against it, too."""
    body = asking(protocol, "paid", max_tokens=100)
    budget = worth(body, 100) + 50_000
    key = await chained.known(chained.account("10", email="budget@example.com", budget=budget))
    gate = asyncio.Event()
    provider.otherwise = lambda received: Reply(status=400, late=gate, body={"error": {"message": "no"}})
    first = asyncio.create_task(chained.post(PATHS[protocol], body, key=key))
    await provider.received(1)
    message = refused(await chained.post(PATHS[protocol], body, key=key), protocol, 402)
    assert "budget" in message
    assert "$0.00005 are left" in message
    gate.set()
    await first
    provider.otherwise = right_answer
    statuses = [(await chained.post(PATHS[protocol], body, key=key)).status for _ in range(3)]
    assert statuses == [200, 200, 402]  # 41,000 each: after two of them the hold no longer fits
    row = (await chained.get("/v1/key", key=key)).json()["data"]
    assert (row["spent_usd"], row["budget_left_usd"]) == ("0.000082", f"{(budget - 82_000) / NANO:.9f}".rstrip("0"))


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_free_model_needs_no_balance_and_leaves_a_row(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool
) -> None:
    """Free is a price the owner wrote down; the log shows what was used all the same."""
    text = '\n[[models]]\nid = "gratis"\nfree = true\n'
    channels = channel("openai", provider.url, '["gratis"]') + channel("anthropic", provider.url, '["gratis"]')
    async with running(tmp_path, text + channels) as haze:
        key = await haze.known(haze.account("0", email="poor@example.com"))
        assert (await haze.ask(protocol, "gratis", key=key, stream=stream)).status == 200
        (row,) = await haze.ended()
        assert (row["state"], row["ended"], row["cost"], row["held"]) == ("settled", "completed", 0, 0)
        assert (row["input"], row["output"]) == (11, 3)


def turn(part: dict[str, Any]) -> dict[str, Any]:
    """A user's turn of one part."""
    return {"role": "user", "content": [part]}


def result(output: Any) -> dict[str, Any]:
    """A call's result."""
    return {"type": "function_call_output", "call_id": "c", "output": output}


# Tools of the provider cost a fee, and these here have no price: a stateful channel refuses them for that.
FEE = {"a container", "files for a container", "a vector store", "a vector store in a namespace"}

STATEFUL: dict[str, tuple[str, dict[str, Any], str]] = {
    "container": ("messages", {"container": "container_1"}, "container"),
    "mcp_servers": ("messages", {"mcp_servers": [{"type": "url", "url": "https://x.example"}]}, "mcp_servers"),
    "previous_response_id": ("chat", {"previous_response_id": "resp_1"}, "previous_response_id"),
    "conversation": ("chat", {"conversation": "conv_1"}, "conversation"),
    "background": ("chat", {"background": True}, "background"),
    "an answer kept": ("responses", {"store": True}, "store"),
    "a kept prompt": ("responses", {"prompt": {"id": "pmpt_1"}, "input": None}, "prompt"),
    "what was said before": ("responses", {"previous_response_id": "resp_1", "input": None}, "previous_response_id"),
    "a kept conversation": ("responses", {"conversation": {"id": "conv_1"}}, "conversation"),
    "in the background": ("responses", {"background": True}, "background"),
    "an item": ("responses", {"input": [{"type": "item_reference", "id": "msg_1"}]}, "item_reference"),
    "an item by its id alone": ("responses", {"input": [{"id": "msg_1"}]}, "item_reference"),
    "a picture by its id alone": (
        "responses",
        {"input": [turn({"type": "input_text", "text": "x"}), {"type": "image_generation_call", "id": "ig_1"}]},
        "item_reference",
    ),
    "a file": ("responses", {"input": [turn({"type": "input_file", "file_id": "file-1"})]}, "file_id"),
    "an image": ("responses", {"input": [turn({"type": "input_image", "file_id": "file-1"})]}, "file_id"),
    "a file in a result": ("responses", {"input": [result([{"type": "input_file", "file_id": "f"}])]}, "file_id"),
    "a screenshot": ("responses", {"input": [result({"type": "computer_screenshot", "file_id": "f"})]}, "file_id"),
    "a container": ("responses", {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "container"),
    "files for a container": (
        "responses",
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]},
        "file_ids",
    ),
    "a vector store": (
        "responses",
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
        "vector_store_ids",
    ),
    "a vector store in a namespace": (
        "responses",
        {"tools": [{"type": "namespace", "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}]},
        "vector_store_ids",
    ),
    "a file in a document": (
        "messages",
        {
            "messages": [
                turn(
                    {
                        "type": "document",
                        "source": {
                            "type": "content",
                            "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}],
                        },
                    }
                )
            ]
        },
        "file_id",
    ),
    "file_id": (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}]},
        "file_id",
    ),
}


@pytest.mark.parametrize("name", STATEFUL)
async def test_what_lives_on_the_providers_account_is_not_the_callers(
    tmp_path: Path, provider: Provider, name: str
) -> None:
    """Any key could read another customer's file by its id; an owner who wants that says so in config.toml."""
    protocol, fields, named = STATEFUL[name]
    kind = "anthropic" if protocol == "messages" else "openai"
    provider.otherwise = lambda received: Reply(body=whole(protocol))
    async with running(tmp_path, PAID + channel(kind, provider.url)) as haze:
        assert refused(await haze.ask(protocol, "paid", **fields), protocol, 400).startswith(f"{named}: ")
        assert provider.requests == []
    (tmp_path / "2").mkdir()
    async with running(tmp_path / "2", PAID + channel(kind, provider.url, stateful="true")) as haze:
        answer = await haze.ask(protocol, "paid", **fields)
        assert answer.status == (400 if name in FEE else 200)
        assert name not in FEE or ".type: " in answer.error()["message"]


HARMLESS: dict[str, dict[str, Any]] = {
    "an item with its id": {"input": [{"type": "message", "id": "msg_1", "role": "user", "content": "hi"}]},
    "reasoning": {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}, turn({})]},
    "a call and its result": {
        "input": [{"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}, result("x")]
    },
    "an image in the request": {"input": [turn({"type": "input_image", "image_url": "data:image/png;base64,AA=="})]},
    "a source that was told": {
        "input": [
            turn({"type": "output_text", "text": "x", "annotations": [{"type": "file_citation", "file_id": "f"}]})
        ]
    },
    "a text as prompt": {"prompt": "x"},
    "not in the background": {"background": False, "previous_response_id": None, "conversation": None},
}


@pytest.mark.parametrize("fields", HARMLESS.values(), ids=HARMLESS)
async def test_what_a_client_sends_along_with_its_history_is_its_own(
    chained: Haze, provider: Provider, fields: dict[str, Any]
) -> None:
    """SDKs and Codex send items back as they came, ids and all."""
    provider.script(Reply(body=whole("responses")))
    assert (await chained.ask("responses", "paid", **fields)).status == 200


async def test_a_client_that_leaves_its_history_at_the_provider_is_told_what_to_do(chained: Haze) -> None:
    """Vercel's SDK names earlier items by their ids unless it is told not to store."""
    answer = await chained.ask("responses", "paid", input=[{"type": "item_reference", "id": "msg_1"}])
    assert "Set `store` to false" in refused(answer, "responses", 400)


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_64_at_once_with_money_for_ten_are_ten_answers(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool
) -> None:
    """The promise of a prepaid balance: however many ask at once, it cannot be overrun."""
    body = asking(protocol, "paid", max_tokens=100, stream=stream)
    gate = asyncio.Event()
    decided = 0

    def late(received: Any) -> Reply:
        reply = right_answer(received)
        reply.late = gate
        return reply

    provider.otherwise = late
    kind = "anthropic" if protocol == "messages" else "openai"
    async with running(tmp_path, ECHO + PAID + channel(kind, provider.url)) as haze:
        key = await haze.known(haze.account(f"{10 * worth(body, 100) / NANO:.9f}", email="ten@example.com"))

        async def ask() -> int:
            nonlocal decided
            status = (await haze.post(PATHS[protocol], body, key=key)).status
            decided += 1
            if decided == 54:
                gate.set()
            return status

        statuses = await asyncio.gather(*(ask() for _ in range(64)))
        assert sorted(statuses) == [200] * 10 + [402] * 54
        assert len(provider.requests) == 10
        await haze.ended(10)
        assert (haze.balance(2), held(haze, 2)) == (10 * (worth(body, 100) - 41_000), 0)
        assert haze.check() == []
