"""OpenAI's Chat Completions protocol, and what other providers made of it. Sources: the SDK's type files, WIRE notes of
OpenRouter, DeepSeek and Gemini.
"""

from haze_proxy.wire.chat.answer_reader import Reader, read_answer
from haze_proxy.wire.chat.answer_writer import Writer, write_answer
from haze_proxy.wire.chat.request_reader import read_request
from haze_proxy.wire.chat.request_writer import write_request
from haze_proxy.wire.naming import Limits
from haze_proxy.wire.openai import write_error

LIMITS = Limits(name_max=64)

__all__ = ["LIMITS", "Reader", "Writer", "read_answer", "read_request", "write_answer", "write_error", "write_request"]
