"""The API describes itself, and what it says of itself is true."""

from typing import Any

import pytest
from checks import TABLE
from gateway import ECHO, HELLO, Haze, running
from openapi_spec_validator import OpenAPIV31SpecValidator

from haze_proxy.api.openapi import document
from haze_proxy.api.routes import ROUTES
from haze_proxy.gate.body import ENCODINGS

DOCUMENT: dict[str, Any] = document(ROUTES, "https://haze.example")
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
EACH = pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[f"{method} {path}" for path, method, _ in OPERATIONS]
)


def test_the_document_is_valid() -> None:
    """By the specification's own schema: generators of clients refuse what is not."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_route_is_in_it_under_a_name_of_its_own() -> None:
    """A row added to the route table describes itself."""
    served = {(f"/v1{endpoint.path}".replace(":.+", ""), endpoint.method.lower()) for endpoint, _ in ROUTES}
    assert {(path, method) for path, method, _ in OPERATIONS} == served
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert {"chat_completions", "messages_create", "messages_count_tokens", "models_every", "models_one"} <= set(names)


@EACH
def test_every_operation_says_what_it_takes_and_returns(path: str, method: str, operation: dict[str, Any]) -> None:
    """Its body, its parameters, its ids."""
    assert operation["summary"].endswith(".")
    assert ("requestBody" in operation) == (method == "post")
    named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
    assert named == ({"id"} if "{id}" in path else set())
    for answer in operation["responses"].values():
        assert {"request-id", "x-request-id"} <= set(answer["headers"])
        assert "application/json" in answer["content"]


def test_the_parameters_clients_send_are_documented() -> None:
    """Claude Code sends `?beta=true`, and every model list may be paged."""
    parameters = {
        (path, parameter["in"], parameter["name"])
        for path, _, operation in OPERATIONS
        for parameter in operation["parameters"]
    }
    assert {("/v1/messages", "query", "beta"), ("/v1/messages", "header", "anthropic-version")} <= parameters
    assert {("/v1/models", "query", name) for name in ("limit", "after_id", "before_id")} <= parameters


def test_a_body_lists_what_is_required_and_leaves_the_rest_open() -> None:
    """Unknown fields pass to the provider."""
    body = DOCUMENT["paths"]["/v1/messages"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema["required"] == ["model", "messages"]
    assert schema["additionalProperties"] is True
    assert schema["properties"]["stream"] == {"type": "boolean"}
    assert all(coding in body["description"] for coding in ENCODINGS - {"", "identity"})


@EACH
def test_the_errors_of_an_operation_are_those_of_the_table(path: str, method: str, operation: dict[str, Any]) -> None:
    """In the envelope its clients read."""
    protocol = "messages" if path.startswith("/v1/messages") else "chat"
    statuses = {int(status) for status in operation["responses"]} - {200}
    if path in ("/v1/chat/completions", "/v1/messages"):
        assert statuses == set(TABLE) - {405} - (set() if protocol == "messages" else {529})
    for status in statuses:
        answer = operation["responses"][str(status)]
        for example in answer["content"]["application/json"]["examples"].values():
            kinds = {TABLE[status][0][0], TABLE[status][1]}
            assert example["value"]["error"]["type"] in kinds | ({"overloaded_error"} if status == 529 else set())
        assert ("Retry-After" in answer["headers"]) == (status in (429, 503))


async def test_it_is_served_without_a_key_to_anyone(tmp_path: Any) -> None:
    """Whoever writes a client has none yet, and reads it in a page of his own."""
    async with running(tmp_path, '[server]\npublic_url = "https://haze.example"\n' + ECHO) as haze:
        answer = await haze.get("/openapi.json", key="", headers={"Origin": "https://viewer.example"})
        assert answer.status == 200
        assert answer.json() == DOCUMENT
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert (await haze._send("HEAD", "/openapi.json", None, "", {})).status == 200
        assert answer.headers["request-id"].startswith("req_")


async def test_what_it_promises_of_headers_is_there(haze: Haze) -> None:
    """The limits and the ids that it names come with an answer; with one told again, the first one's."""
    for path, protocol in (("/v1/chat/completions", "chat"), ("/v1/messages", "messages")):
        promised = DOCUMENT["paths"][path]["post"]["responses"]["200"]["headers"]
        for _ in range(2):
            body = {"model": "hekiu", "max_tokens": 9, "messages": HELLO}
            answer = await haze.post(path, body, headers={"Idempotency-Key": path})
        assert {name.lower() for name in promised} <= {name.lower() for name in answer.headers}, protocol
