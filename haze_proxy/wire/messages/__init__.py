"""Anthropic's Messages protocol. Sources: the SDK's type files and the API reference."""

from haze_proxy.wire.messages.answer_reader import Reader, read_answer
from haze_proxy.wire.messages.answer_writer import Writer, write_answer
from haze_proxy.wire.messages.errors import write_error
from haze_proxy.wire.messages.request_reader import read_request
from haze_proxy.wire.messages.request_writer import write_request
from haze_proxy.wire.naming import Limits

LIMITS = Limits(name_max=128)

__all__ = ["LIMITS", "Reader", "Writer", "read_answer", "read_request", "write_answer", "write_error", "write_request"]
