"""Compressed answers, each piece of which can be read when it comes."""

import sys
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]  # it ships no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Packer = tuple[Callable[[bytes], bytes], Callable[[], bytes], Callable[[], bytes]]


def _zipper(wbits: int) -> Packer:
    zipper = zlib.compressobj(wbits=wbits)
    return zipper.compress, lambda: zipper.flush(zlib.Z_SYNC_FLUSH), zipper.flush


def _brotli() -> Packer:
    packer = brotli.Compressor()
    return packer.process, packer.flush, packer.finish


def _zstd() -> Packer:
    packer = zstd.ZstdCompressor()
    return packer.compress, lambda: packer.flush(packer.FLUSH_BLOCK), packer.flush


# Each makes a compressor: what packs bytes, what lets out all of them, and what ends the stream.
PACKERS: dict[str, Callable[[], Packer]] = {
    "gzip": lambda: _zipper(zlib.MAX_WBITS | 16),
    "deflate": lambda: _zipper(zlib.MAX_WBITS),
    "br": _brotli,
    "zstd": _zstd,
}
