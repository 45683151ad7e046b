"""What can go wrong for a caller, by who is to blame.

HazeError
├── BadRequest        400  the request's own fault; `param` names the field
│   ├── BodyTooLarge  413
│   └── BadEncoding   415
├── Unauthorized      401  one text for missing, unknown, revoked and expired keys
├── PaymentRequired   402  balance or key budget
├── Forbidden         403  address not allowed, account disabled
├── NotFound          404  no such route
│   └── ModelNotFound 404  an id unknown, or not allowed for this key
├── MethodNotAllowed  405
├── RateLimited       429  this key's limit, or the upstream's
├── Unavailable       503  Haze itself cannot serve now (store, memory)
│   ├── NoChannel     503  no available channel for the model
│   └── Overloaded    529  the upstream said so (503 for OpenAI clients)
└── UpstreamFailed    502  the upstream broke
    └── UpstreamSilent 504  the upstream said nothing

Raised anywhere, rendered only in gate/errors.py (before the first byte) and api/relay.py (in the stream).
The columns are those of the published error table: OpenAI's `type` and `code`, Anthropic's `type`.
"""

from collections.abc import Iterable


class HazeError(Exception):
    """Something a caller must be told, in the caller's own protocol.

    `message` is shown to people as it stands. `param` names the field at fault, if one is. `retry_after_s` becomes the
    Retry-After header. `final` errors carry `x-should-retry: false`: official SDKs then do not repeat the request.
    """

    status: int = 500
    openai_type: str = "server_error"
    openai_code: str | None = None
    anthropic_type: str = "api_error"
    final: bool = False

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class BadRequest(HazeError):
    status = 400
    openai_type = "invalid_request_error"
    anthropic_type = "invalid_request_error"


class BodyTooLarge(BadRequest):
    status = 413
    anthropic_type = "request_too_large"


class BadEncoding(BadRequest):
    status = 415


class Unauthorized(HazeError):
    status = 401
    openai_type = "authentication_error"
    openai_code = "invalid_api_key"
    anthropic_type = "authentication_error"
    final = True


class PaymentRequired(HazeError):
    status = 402
    openai_type = "insufficient_quota"
    openai_code = "insufficient_quota"
    anthropic_type = "billing_error"
    final = True


class Forbidden(HazeError):
    status = 403
    openai_type = "permission_error"
    anthropic_type = "permission_error"
    final = True


class NotFound(HazeError):
    status = 404
    openai_type = "not_found_error"
    anthropic_type = "not_found_error"
    final = True


class ModelNotFound(NotFound):
    openai_code = "model_not_found"


class MethodNotAllowed(HazeError):
    status = 405
    openai_type = "invalid_request_error"
    anthropic_type = "invalid_request_error"
    final = True

    def __init__(self, message: str, *, allow: Iterable[str]) -> None:
        super().__init__(message)
        self.allow = ", ".join(allow)


class RateLimited(HazeError):
    status = 429
    openai_type = "rate_limit_error"
    openai_code = "rate_limit_exceeded"
    anthropic_type = "rate_limit_error"


class Unavailable(HazeError):
    status = 503


class NoChannel(Unavailable):
    openai_code = "no_available_channel"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        # Repeating helps only when a channel is known to come back.
        self.final = retry_after_s is None


class Overloaded(Unavailable):
    status = 529
    anthropic_type = "overloaded_error"


class UpstreamFailed(HazeError):
    status = 502


class UpstreamSilent(UpstreamFailed):
    status = 504
    anthropic_type = "timeout_error"
