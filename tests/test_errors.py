"""One table of errors: the tree, the page, and the published facts are the same."""

import re
from typing import Any

import pytest

from haze_proxy import errors
from haze_proxy.errors import TABLE, HazeError
from haze_proxy.wire import envelope

# The published table: status, OpenAI's type and code, Anthropic's type, whether to repeat.
PUBLISHED: list[tuple[int, str, str | None, str, str]] = [
    (400, "invalid_request_error", None, "invalid_request_error", "no"),
    (401, "authentication_error", "invalid_api_key", "authentication_error", "no"),
    (402, "insufficient_quota", "insufficient_quota", "billing_error", "no"),
    (403, "permission_error", None, "permission_error", "no"),
    (404, "not_found_error", None, "not_found_error", "no"),
    (404, "not_found_error", "model_not_found", "not_found_error", "no"),
    (405, "invalid_request_error", None, "invalid_request_error", "no"),
    (409, "invalid_request_error", "idempotency_conflict", "conflict_error", "no"),
    (413, "invalid_request_error", None, "request_too_large", "no"),
    (415, "invalid_request_error", None, "invalid_request_error", "no"),
    (429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "after `Retry-After`"),
    (500, "server_error", None, "api_error", "yes"),
    (502, "server_error", None, "api_error", "yes"),
    (503, "server_error", None, "api_error", "after `Retry-After`, if there is one"),
    (503, "server_error", "no_available_channel", "api_error", "after `Retry-After`, if there is one"),
    (504, "server_error", None, "timeout_error", "yes"),
    (529, "server_error", None, "overloaded_error", "yes"),
]


def test_the_table_is_the_published_one() -> None:
    """Clients act on these words: a change breaks somebody."""
    told = [(row.status, row.openai_type, row.openai_code, row.anthropic_type, row.retry) for row in TABLE]
    assert told == PUBLISHED


def test_the_tree_at_the_top_of_the_file_is_the_classes_own() -> None:
    """Whoever reads the code reads it there."""
    assert errors.__doc__ is not None
    drawn = re.findall(r"^[│├└─ ]*([A-Z]\w+) +(\d{3})  (.+)$", errors.__doc__, re.MULTILINE)
    assert sorted(drawn) == sorted((row.__name__, str(row.status), row.when) for row in TABLE)


def test_who_is_drawn_below_another_is_one_of_his_kind() -> None:
    """Whoever catches the upper one means the lower ones as well."""
    above: dict[int, type[HazeError]] = {}
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"^([│├└─ ]*)([A-Z]\w+) +\d{3}  ", line):
            depth = len(drawn[1]) // 4
            above[depth] = getattr(errors, drawn[2])
            assert depth == 0 or above[depth].__base__ is above[depth - 1]
    assert len(above) == 3


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.__name__)
def test_every_row_looks_as_the_table_says(row: type[HazeError]) -> None:
    """In a body, in a stream, and in the one body for those whose path could not be read."""
    more: dict[str, Any] = {"allow": ["GET"]} if row is errors.MethodNotAllowed else {}
    error = row("text", **more)
    openai = {"message": "text", "type": row.openai_type, "param": None, "code": row.openai_code}
    anthropic = {"type": row.anthropic_type, "message": "text"}
    assert envelope.of(error, "chat", "req_1") == {"error": openai}
    assert envelope.of(error, "messages", "req_1") == {"type": "error", "error": anthropic, "request_id": "req_1"}
    assert envelope.status(error, "messages") == row.status
    assert envelope.status(error, "chat") == (503 if row.status == 529 else row.status)
    assert error.final is (row.retry == "no" and row.status not in (400, 413, 415)) or row is errors.NoChannel
