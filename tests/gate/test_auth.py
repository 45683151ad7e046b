"""Who is calling? Both credentials, on every route, and one answer to every wrong one."""

from collections.abc import Callable

import pytest
from checks import exchange, parts, refused, untouched
from gateway import HELLO, Haze

from haze_proxy.api.routes import ROUTES

UNKNOWN = "sk-rr-" + "x" * 43
HEADERS: dict[str, Callable[[str], dict[str, str]]] = {
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "lower-case bearer": lambda key: {"Authorization": f"bearer {key}"},
    "upper-case bearer": lambda key: {"Authorization": f"BEARER {key}"},
    "stray spaces": lambda key: {"Authorization": f"  Bearer    {key}  "},
    "a tab": lambda key: {"Authorization": f"Bearer\t{key}"},
    "x-api-key": lambda key: {"x-api-key": key},
    "x-api-key in other letters": lambda key: {"X-API-Key": key},
    "x-api-key with spaces": lambda key: {"x-api-key": f"  {key}\t"},
    "both": lambda key: {"x-api-key": key, "Authorization": f"Bearer {key}"},
    "x-api-key unknown, bearer right": lambda key: {"x-api-key": UNKNOWN, "Authorization": f"Bearer {key}"},
    "x-api-key foreign, bearer right": lambda key: {"x-api-key": "sk-ant-1", "Authorization": f"Bearer {key}"},
    "x-api-key empty, bearer right": lambda key: {"x-api-key": "", "Authorization": f"Bearer {key}"},
    "x-api-key right, bearer unknown": lambda key: {"x-api-key": key, "Authorization": f"Bearer {UNKNOWN}"},
    "x-api-key right, other scheme": lambda key: {"x-api-key": key, "Authorization": "Basic dTpw"},
}
WRONG: dict[str, Callable[[str], dict[str, str]]] = {
    "nothing": lambda key: {},
    "an empty x-api-key": lambda key: {"x-api-key": ""},
    "only the scheme": lambda key: {"Authorization": "Bearer"},
    "the scheme and a space": lambda key: {"Authorization": "Bearer "},
    "no scheme": lambda key: {"Authorization": key},
    "another scheme": lambda key: {"Authorization": f"Basic {key}"},
    "unknown": lambda key: {"Authorization": f"Bearer {UNKNOWN}"},
    "cut short": lambda key: {"Authorization": f"Bearer {key[:-1]}"},
    "one more": lambda key: {"x-api-key": f"{key}A"},
    "other letters": lambda key: {"x-api-key": key.upper()},
    "a space inside": lambda key: {"x-api-key": f"{key[:20]} {key[20:]}"},
    "twice in one header": lambda key: {"x-api-key": f"{key}, {key}"},
    "quotes": lambda key: {"x-api-key": f'"{key}"'},
    "umlauts": lambda key: {"x-api-key": "sk-rr-äöü"},
    "8 KB": lambda key: {"x-api-key": "sk-rr-" + "y" * 8000},
    "16 KB": lambda key: {"Authorization": "Bearer sk-rr-" + "y" * 16_000},
}
REAL = [(endpoint.method, "/v1" + endpoint.path.replace("{id:.+}", "hekiu")) for endpoint, _ in ROUTES]
BODY = {"input": "hi", "model": "hekiu", "max_tokens": 8, "messages": HELLO}


@pytest.mark.parametrize("made", HEADERS.values(), ids=HEADERS)
async def test_a_key_is_taken_however_a_client_spells_its_header(
    haze: Haze, made: Callable[[str], dict[str, str]]
) -> None:
    """Official SDKs disagree about the header, and some send two at once; people paste keys with spaces."""
    answer = await haze.get("/v1/key", key="", headers=made(haze.key))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("made", WRONG.values(), ids=WRONG)
async def test_every_wrong_credential_gets_the_same_answer(haze: Haze, made: Callable[[str], dict[str, str]]) -> None:
    """What differs between unknown, cut and missing keys would help to guess one."""
    answer = await haze.get("/v1/key", key="", headers=made(haze.key))
    told = refused(answer, "chat", 401)
    assert told == "The API key is missing, unknown, revoked or expired. Keys start with sk-rr-."
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    untouched(haze)


@pytest.mark.parametrize(("method", "path"), REAL, ids=[path for _, path in REAL])
async def test_no_route_answers_without_a_key(haze: Haze, method: str, path: str) -> None:
    """The guard is where a route is mounted: a new row of the table cannot be forgotten. Prefixes are doors, too."""
    send = haze.get if method == "GET" else lambda path, **more: haze.post(path, BODY, **more)
    for door in (path, "/v1" + path, path.removeprefix("/v1"), path + "/"):
        # Whoever brings nothing to these gets the page of that name (tests/web/test_models.py, test_model.py).
        nothing: tuple[dict[str, str], ...] = () if door in ("/models", "/models/hekiu") else ({},)
        for headers in (*nothing, {"x-api-key": UNKNOWN}, {"Authorization": f"Bearer {UNKNOWN}"}):
            assert (await send(door, key="", headers=headers)).status == 401, (door, headers)
        for headers in ({"x-api-key": haze.key}, {"Authorization": f"Bearer {haze.key}"}):
            assert (await send(door, key="", headers=headers)).status == 200, (door, headers)


async def test_with_two_valid_keys_x_api_key_wins(haze: Haze) -> None:
    """As at Anthropic's own API: who pays must not depend on the order of headers."""
    other = await haze.known(haze.account(email="b@example.com", name="other"))
    for one, two, name in ((haze.key, other, "test"), (other, haze.key, "other")):
        answer = await haze.get("/v1/key", key="", headers={"Authorization": f"Bearer {two}", "x-api-key": one})
        assert answer.json()["data"]["name"] == name


async def test_bytes_that_are_no_text_are_a_wrong_key(haze: Haze) -> None:
    """Header values are bytes: whatever stands there, nobody sees a traceback."""
    head = b"GET /v1/key HTTP/1.1\r\nHost: h\r\nConnection: close\r\nx-api-key: sk-rr-\xff\xfe\xc3\x28\r\n\r\n"
    status, headers, _ = parts(await exchange(haze, head))
    assert (status, headers["x-should-retry"]) == (401, "false")


async def test_a_revoked_key_is_refused_while_the_server_runs(haze: Haze) -> None:
    """A leaked key must stop now, not at the next restart."""
    assert (await haze.ask("chat")).status == 200
    haze.rows("UPDATE keys SET revoked_at = 1")
    while (answer := await haze.get("/v1/key")).status == 200:
        pass
    refused(answer, "chat", 401)
    refused(await haze.ask("messages"), "messages", 401)


async def test_an_expired_key_is_refused_and_one_that_expires_later_is_not(haze: Haze) -> None:
    """Expiry needs no revocation, and says no more than an unknown key does."""
    past = haze.account(email="past@example.com", expires_at=1_000)
    future = await haze.known(haze.account(email="future@example.com", expires_at=4_000_000_000_000))
    refused(await haze.get("/v1/key", key=past), "chat", 401)
    assert (await haze.get("/v1/key", key=future)).status == 200


@pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
async def test_a_disabled_account_is_told_so_and_comes_back(haze: Haze, protocol: str) -> None:
    """403 and not 401: the key is right, so making another one would not help."""
    haze.rows("UPDATE accounts SET disabled_at = 1")
    while (answer := await haze.ask(protocol)).status == 200:
        pass
    assert "disabled" in refused(answer, protocol, 403)
    haze.rows("UPDATE accounts SET disabled_at = NULL")
    while (answer := await haze.ask(protocol)).status == 403:
        pass
    assert answer.status == 200
