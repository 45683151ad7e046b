"""OpenAI's Responses protocol. Sources: the SDK's type files, and what Codex sends and needs back."""

from haze_proxy.wire.naming import Limits
from haze_proxy.wire.openai import write_error
from haze_proxy.wire.responses.answer_reader import Reader, read_answer
from haze_proxy.wire.responses.answer_writer import Writer, write_answer
from haze_proxy.wire.responses.request_reader import read_request
from haze_proxy.wire.responses.request_writer import write_request

LIMITS = Limits(name_max=64, own_tools=True)

__all__ = ["LIMITS", "Reader", "Writer", "read_answer", "read_request", "write_answer", "write_error", "write_request"]
