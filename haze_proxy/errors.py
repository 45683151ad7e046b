"""What can go wrong for a caller, by who is to blame.

HazeError               500  a mistake of Haze's own, in the owner's log
├── BadRequest          400  the body cannot be read; a field is missing, wrong, or not offered here
│   ├── BodyTooLarge    413  the body is over `max_body_mib`
│   └── BadEncoding     415  unknown `Content-Encoding`
├── Unauthorized        401  key missing, unknown, revoked or expired: one text for all
├── PaymentRequired     402  balance or key budget too low
├── Forbidden           403  address not allowed, account disabled
├── NotFound            404  no such route
│   └── ModelNotFound   404  no such model, or not for this key
├── MethodNotAllowed    405  wrong method; `Allow` names the right ones
├── Conflict            409  this `Idempotency-Key` was used before, and there is no answer to repeat
├── RateLimited         429  this key's limit, or the provider's
├── Unavailable         503  Haze itself cannot serve now: store, memory, stopping
│   ├── NoChannel       503  no available channel for the model
│   └── Overloaded      529  the provider is overloaded (503 for OpenAI clients)
└── UpstreamFailed      502  the provider broke
    └── UpstreamSilent  504  the provider was silent

Raised anywhere, rendered only in gate/errors.py (before the first byte) and api/relay.py (in the stream). A class is a
row of the published error table (TABLE): its status, when it comes, OpenAI's `type` and `code`, Anthropic's `type`, and
whether to repeat the request.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Self

NO, YES, AFTER, MAYBE = "no", "yes", "after `Retry-After`", "after `Retry-After`, if there is one"


class HazeError(Exception):
    """Something a caller must be told, in the caller's own protocol.

    `message` is shown to people as it stands. `param` names the field at fault, if one is. `retry_after_s` becomes the
    Retry-After header. `final` errors carry `x-should-retry: false`: official SDKs then do not repeat the request.
    """

    status: int = 500
    when: str = "a mistake of Haze's own, in the owner's log"
    openai_type: str = "server_error"
    openai_code: str | None = None
    anthropic_type: str = "api_error"
    retry: str = YES
    final: bool = False

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    def again(self) -> Self:
        """The same for somebody else, without the traceback, which holds the request it was raised for."""
        other = self.__class__.__new__(self.__class__, *self.args)
        other.__dict__.update(self.__dict__)
        return other


class BadRequest(HazeError):
    status = 400
    when = "the body cannot be read; a field is missing, wrong, or not offered here"
    openai_type = "invalid_request_error"
    anthropic_type = "invalid_request_error"
    retry = NO


class BodyTooLarge(BadRequest):
    status = 413
    when = "the body is over `max_body_mib`"
    anthropic_type = "request_too_large"


class BadEncoding(BadRequest):
    status = 415
    when = "unknown `Content-Encoding`"


class Unauthorized(HazeError):
    status = 401
    when = "key missing, unknown, revoked or expired: one text for all"
    openai_type = "authentication_error"
    openai_code = "invalid_api_key"
    anthropic_type = "authentication_error"
    retry = NO
    final = True


class PaymentRequired(HazeError):
    status = 402
    when = "balance or key budget too low"
    openai_type = "insufficient_quota"
    openai_code = "insufficient_quota"
    anthropic_type = "billing_error"
    retry = NO
    final = True


class Forbidden(HazeError):
    status = 403
    when = "address not allowed, account disabled"
    openai_type = "permission_error"
    anthropic_type = "permission_error"
    retry = NO
    final = True


class NotFound(HazeError):
    status = 404
    when = "no such route"
    openai_type = "not_found_error"
    anthropic_type = "not_found_error"
    retry = NO
    final = True


class ModelNotFound(NotFound):
    when = "no such model, or not for this key"
    openai_code = "model_not_found"


class MethodNotAllowed(HazeError):
    status = 405
    when = "wrong method; `Allow` names the right ones"
    openai_type = "invalid_request_error"
    anthropic_type = "invalid_request_error"
    retry = NO
    final = True

    def __init__(self, message: str, *, allow: Iterable[str]) -> None:
        super().__init__(message)
        self.allow = ", ".join(allow)


class Conflict(HazeError):
    status = 409
    when = "this `Idempotency-Key` was used before, and there is no answer to repeat"
    openai_type = "invalid_request_error"
    openai_code = "idempotency_conflict"
    anthropic_type = "conflict_error"
    retry = NO
    # All official SDKs repeat a 409 otherwise.
    final = True


class RateLimited(HazeError):
    status = 429
    when = "this key's limit, or the provider's"
    openai_type = "rate_limit_error"
    openai_code = "rate_limit_exceeded"
    anthropic_type = "rate_limit_error"
    retry = AFTER


class Unavailable(HazeError):
    status = 503
    when = "Haze itself cannot serve now: store, memory, stopping"
    retry = MAYBE


class NoChannel(Unavailable):
    when = "no available channel for the model"
    openai_code = "no_available_channel"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        # Repeating helps only when a channel is known to come back.
        self.final = retry_after_s is None


class Overloaded(Unavailable):
    status = 529
    when = "the provider is overloaded (503 for OpenAI clients)"
    anthropic_type = "overloaded_error"
    retry = YES


class UpstreamFailed(HazeError):
    status = 502
    when = "the provider broke"


class UpstreamSilent(UpstreamFailed):
    status = 504
    when = "the provider was silent"
    anthropic_type = "timeout_error"


def _rows(error: type[HazeError]) -> Iterator[type[HazeError]]:
    yield error
    for below in error.__subclasses__():
        yield from _rows(below)


# What is derived elsewhere is told as one of these.
TABLE: Final = tuple(sorted(_rows(HazeError), key=lambda error: error.status))
