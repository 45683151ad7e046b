"""Compressed bodies: what is read, what is refused, and that a small body cannot become a large one."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]  # it ships no types
import pytest
from checks import exchange, parts, refused, untouched
from gateway import ECHO, HELLO, PATHS, Haze, channel, running
from provider import Provider

try:
    from compression import zstd  # type: ignore[import-not-found]
except ImportError:
    from backports import zstd

BOTH = pytest.mark.parametrize("protocol", ["chat", "messages"])
GOOD = json.dumps({"model": "hekiu", "max_tokens": 8, "messages": HELLO}).encode()
HALF = len(GOOD) // 2


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Haze]:
    """Haze that takes bodies up to one MiB."""
    async with running(tmp_path, "[server]\nmax_body_mib = 1\n" + ECHO) as server:
        yield server


def raw_deflate(data: bytes) -> bytes:
    """Deflate without the wrapping that the standard asks for, as some clients send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
}
PACKED = pytest.mark.parametrize(("coding", "pack"), PACKERS.values(), ids=PACKERS)

READ: dict[str, tuple[str, bytes]] = {
    **{name: (coding, pack(GOOD)) for name, (coding, pack) in PACKERS.items()},
    "upper case": ("GZIP", gzip.compress(GOOD)),
    "mixed case": ("Br", brotli.compress(GOOD)),
    "spaces": ("  zstd  ", zstd.compress(GOOD)),
    "identity": ("identity", GOOD),
    "nothing": ("", GOOD),
    "gzip in two members": ("gzip", gzip.compress(GOOD[:HALF]) + gzip.compress(GOOD[HALF:])),
    "zstd in two frames": ("zstd", zstd.compress(GOOD[:HALF]) + zstd.compress(GOOD[HALF:])),
}


@BOTH
async def test_every_coding_is_read(small: Haze, protocol: str) -> None:
    """Large prompts are sent compressed by some clients, Codex's by zstd."""
    for name, (coding, body) in READ.items():
        answer = await small.post(PATHS[protocol], body, headers={"Content-Encoding": coding})
        assert answer.status == 200, (name, answer.body)


async def test_the_provider_gets_it_plain(tmp_path: Path, provider: Provider) -> None:
    """With the label of a coding it would be read as rubbish."""
    text = ECHO.replace('"hekiu"', '"other"') + ECHO.replace(
        ECHO[: ECHO.index("[[models]]")], channel("openai", provider.url, '["hekiu"]')
    )
    async with running(tmp_path, text) as haze:
        headers = {"Content-Encoding": "zstd"}
        answer = await haze.post(PATHS["chat"], zstd.compress(GOOD), headers=headers)
        assert answer.status == 200, answer.body
        (received,) = provider.requests
        assert received.body == GOOD
        assert "Content-Encoding" not in received.headers


UNKNOWN = ["lzma", "compress", "x-gzip", "gzip, br", "gzip,gzip", "identity, gzip", "utf-8", "x" * 5000, "\u00e4"]


@BOTH
async def test_an_unknown_coding_is_415(small: Haze, protocol: str) -> None:
    """Passed on unread it would be an unpriced request."""
    for coding in UNKNOWN:
        body = gzip.compress(GOOD)
        message = refused(await small.post(PATHS[protocol], body, headers={"Content-Encoding": coding}), protocol, 415)
        assert "gzip, deflate, br, zstd" in message
    untouched(small)


@BOTH
async def test_two_codings_in_two_headers_are_two_codings(small: Haze, protocol: str) -> None:
    """aiohttp looks at the first header only."""
    body = gzip.compress(gzip.compress(GOOD))
    head = f"POST {PATHS[protocol]} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nx-api-key: {small.key}\r\n"
    head += f"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    status, _, _ = parts(await exchange(small, head.encode() + body))
    assert status == 415


BROKEN: dict[str, tuple[str, bytes]] = {
    **{f"{name}, cut": (coding, pack(GOOD)[:-20]) for name, (coding, pack) in PACKERS.items()},
    **{f"{name}, cut in the middle": (coding, pack(GOOD)[:30]) for name, (coding, pack) in PACKERS.items()},
    **{f"{name}, garbled": (coding, b"\x00" + pack(GOOD)) for name, (coding, pack) in PACKERS.items()},
    **{f"{name}, not packed": (coding, b"{}") for name, (coding, _) in PACKERS.items()},
    **{f"{name}, empty": (coding, b"") for name, (coding, _) in PACKERS.items()},
    **{f"{name}, of nothing": (coding, pack(b"")) for name, (coding, pack) in PACKERS.items()},
    "gzip, a wrong checksum": ("gzip", gzip.compress(GOOD)[:-8] + b"\x00" * 8),
    "gzip, rubbish behind it": ("gzip", gzip.compress(GOOD) + b"junk"),
    "zstd, rubbish behind it": ("zstd", zstd.compress(GOOD) + b"junk"),
    "br, rubbish behind it": ("br", brotli.compress(GOOD) + b"junk"),
    "deflate, without its checksum": ("deflate", zlib.compress(GOOD)[:-3]),
}


@BOTH
async def test_broken_packing_is_400(small: Haze, caplog: pytest.LogCaptureFixture, protocol: str) -> None:
    """Cut, garbled, or not packed at all; and the log stays quiet, because anyone can send it."""
    for name, (coding, body) in BROKEN.items():
        answer = await small.post(PATHS[protocol], body, headers={"Content-Encoding": coding})
        # Some damage shows before there is a request: then both protocols' envelopes are in one.
        assert (answer.status, answer.error()["type"]) == (400, "invalid_request_error"), (name, answer.body)
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
        assert "cannot be read" in answer.error()["message"] or "not valid JSON" in answer.error()["message"], name
    assert (await small.ask(protocol)).status == 200
    assert caplog.text == ""


@BOTH
@PACKED
async def test_a_bomb_is_413_and_not_unpacked(
    small: Haze, protocol: str, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    """A few kilobytes must not become gigabytes: the limit is that of the unpacked body."""
    bomb = pack(b" " * (64 * 2**20))
    assert len(bomb) < 2**20
    answer = await small.post(PATHS[protocol], bomb, headers={"Content-Encoding": coding})
    assert "1 MiB" in refused(answer, protocol, 413)
    untouched(small)


MANY: dict[str, Any] = {"gzip": gzip.compress, "zstd": zstd.compress}


@BOTH
@pytest.mark.parametrize(("coding", "pack"), MANY.items(), ids=MANY)
async def test_many_small_bombs_are_413_too(small: Haze, protocol: str, coding: str, pack: Any) -> None:
    """Members and frames are counted together."""
    bombs = pack(b" " * 2**19) * 64
    answer = await small.post(PATHS[protocol], bombs, headers={"Content-Encoding": coding})
    assert "1 MiB" in refused(answer, protocol, 413)
    untouched(small)
