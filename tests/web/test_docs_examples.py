"""Every example of the documentation runs as it is printed: here in a shell, with real SDKs in tests/journeys."""

import asyncio
import tomllib

import pytest
from gateway import Haze
from people import Person
from reading import examples

from haze_proxy.web import examples as printed
from haze_proxy.web.snippets import KEY

# Name -> what the answer must hold.
CURLS = {
    "Discover models": '"id": "hekiu"',
    "OpenRouter-style chat": "You said: Hello from Haze",
    "A stream": "data: [DONE]",
    "Anthropic Messages": "You said: Hello from Haze",
    "Counting tokens": '"input_tokens"',
    "OpenAI Responses": "You said: Hello from Haze",
    "Embeddings": '"embedding"',
    "This key": '"budget_left_usd"',
    "The same again": "You said: Hello from Haze",
}


async def here(house: Haze, person: Person, name: str) -> str:
    """An example as it is printed, with the address of the test and a real key."""
    lines = examples((await person.get("/docs")).text)[name]
    assert KEY in lines or "curl" not in lines
    return lines.replace("http://127.0.0.1:8080", house.url).replace(KEY, house.key)


async def in_a_shell(script: str) -> str:
    """What a script prints; it must succeed."""
    shell = await asyncio.create_subprocess_exec(
        "bash", "-euc", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await shell.communicate()
    assert shell.returncode == 0, out
    return out.decode()


def test_every_example_for_a_shell_is_run() -> None:
    """A new one is added to the table above, or this fails."""
    assert {name for name, (_, text) in printed.ROWS.items() if text.startswith("curl ")} == set(CURLS)


@pytest.mark.parametrize("name", CURLS)
async def test_a_line_of_curl_answers(house: Haze, stranger: Person, name: str) -> None:
    """People paste these first; each must come back with 200 and what it asked for."""
    script = (await here(house, stranger, name)).replace("curl ", "curl --fail --silent --show-error --noproxy '*' ")
    assert CURLS[name] in await in_a_shell(script)


async def test_what_is_asked_again_is_not_paid_again(house: Haze, stranger: Person) -> None:
    """As the page says beside its example, header included."""
    script = (await here(house, stranger, "The same again")).replace("curl ", "curl -sSi --noproxy '*' ")
    first, second = await in_a_shell(script), await in_a_shell(script)
    assert "x-haze-replayed" not in first
    assert "x-haze-replayed: req_" in second
    assert len(await house.ended(1)) == 1


@pytest.mark.parametrize("name", [name for name, (where, _) in printed.ROWS.items() if where.endswith(".py")])
async def test_an_example_in_python_is_python(house: Haze, stranger: Person, name: str) -> None:
    """It is run with the SDK itself in tests/journeys/test_docs.py."""
    compile(await here(house, stranger, name), f"{name}.py", "exec")


@pytest.mark.parametrize("name", ["Claude Code", "Claude Code, one session", "Claude Code, another model"])
async def test_the_lines_for_claude_code_set_what_it_reads(house: Haze, stranger: Person, name: str) -> None:
    """The shell takes them, and the program below it finds its variables."""
    lines = (await here(house, stranger, name)).replace("claude\n", "").removesuffix("claude")
    told = await in_a_shell(f"{lines} env" if lines.startswith("ANTHROPIC") else f"{lines}\nenv")
    expected = (
        [f"ANTHROPIC_BASE_URL={house.url}", f"ANTHROPIC_API_KEY={house.key}"]
        if "model" not in name
        else ["ANTHROPIC_MODEL=hekiu"]
    )
    assert set(expected) <= set(told.splitlines())


async def test_the_file_for_codex_is_toml(house: Haze, stranger: Person) -> None:
    """With Responses as its protocol, and the address with its version."""
    made = tomllib.loads(await here(house, stranger, "Codex"))
    provider = made["model_providers"][made["model_provider"]]
    assert (provider["wire_api"], provider["base_url"], made["model"]) == ("responses", f"{house.url}/v1", "hekiu")
