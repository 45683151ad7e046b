"""Recordings: what the real clients sent, to be replayed where no client can be installed.

One JSON file per request: method, path, query, headers in their order, body as text, and the status it met. Keys are
replaced by their sort (`<paid>`, `<empty>`, `<unknown>`, or the options they were made with), vendors' prose by filler.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from front import Seen
from harness import HERE

FOLDER = HERE / "recorded"
LONGEST_TEXT = 200  # longer strings of Claude Code and Codex are their vendors' prose
VERBOSE = ("claude-cli", "codex_exec")  # how those two name themselves
TOO_MANY = 429
FILLER = "x"
HOP_HEADERS = {"host", "content-length"}  # written anew at replay
CREDENTIALS = ("authorization", "x-api-key")

_saved: set[tuple[Any, ...]] = set()  # shapes kept in this run: more of the same teach nothing


def save(journey: str, requests: list[Seen], sorts: Mapping[str, str]) -> None:
    """Write what is new in the requests of a journey; `sorts` says which key is of which sort."""
    FOLDER.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", journey.replace("test_", "").lower()).strip("-")
    for number, seen in enumerate(requests, 1):
        if shape(seen) in _saved or seen.status == TOO_MANY:  # being too fast is not in a request
            continue
        _saved.add(shape(seen))
        text = json.dumps(written(seen, sorts), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}-{number}.json").write_text(text + "\n")


def shape(seen: Seen) -> tuple[Any, ...]:
    """Return what makes a request worth keeping beside the others: client, address, model, fields, turns, status."""
    body = json.loads(seen.body) if seen.body else {}
    turns = [turn["role"] for turn in body.get("messages", ())]
    items = body.get("input", ())
    turns += [item.get("role", item.get("type")) for item in items if isinstance(item, dict)]
    return (seen.header("user-agent"), seen.target, body.get("model"), *body, *turns, seen.status)


def written(seen: Seen, sorts: Mapping[str, str]) -> dict[str, Any]:
    """Return one request as it is kept."""
    path, _, query = seen.target.partition("?")
    kept = [(name, value) for name, value in seen.headers if name.lower() not in HOP_HEADERS]
    headers = [[name, without_keys(name, value, sorts)] for name, value in kept]
    body = seen.body.decode()
    if (seen.header("user-agent") or "").startswith(VERBOSE):
        document = filled(json.loads(body))
        for block in document.get("system", ())[1:]:  # the first is a billing line that gateways must know
            block["text"] = FILLER * len(block["text"])
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    line = {"method": seen.method, "path": path, "query": query}
    return {**line, "headers": headers, "body": body, "status": seen.status}


def without_keys(name: str, value: str, sorts: Mapping[str, str]) -> str:
    """Return a header's value with the key in it replaced by `<sort>`; a key nobody issued is `<unknown>`."""
    if name.lower() not in CREDENTIALS:
        return value
    scheme, key = value.rpartition(" ")[::2]
    return f"{scheme} <{sorts.get(key, 'unknown')}>".strip()


def filled(value: Any, name: str = "") -> Any:
    """Return a body with the vendor's prose replaced by filler of the same length."""
    if isinstance(value, str):
        return FILLER * len(value) if len(value) > LONGEST_TEXT or name == "description" else value
    if isinstance(value, list):
        return [filled(entry, name) for entry in value]
    if isinstance(value, dict):
        return {key: filled(entry, key) for key, entry in value.items()}
    return value


def recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the content of every recording."""
    for path in sorted(FOLDER.glob("*.json")):
        yield path.stem, json.loads(path.read_text())
