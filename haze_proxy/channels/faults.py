"""Whose fault is an upstream's refusal? The caller's own goes back in its words; the owner's trouble never does.

Sources for the phrases of an empty wallet: the providers' error references and threads about clients that were told to
top up somebody else's account. They are looked for in the error object only, and not when the request says them itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from haze_proxy.channels import error_shapes
from haze_proxy.channels.channel import Channel
from haze_proxy.errors import BadRequest, HazeError, NoChannel, Overloaded, RateLimited, UpstreamFailed, UpstreamSilent
from haze_proxy.wire import envelope

OWNERS_STATUS: Final = frozenset({401, 402, 403})
WALLET_STATUS: Final = frozenset({400, 422, 429})
WALLET: Final = re.compile(
    r"credit balance is too low|insufficient_quota|exceeded your current quota|billing hard limit"
    r"|insufficient (balance|credits)|purchase credits|plans & billing",
    re.IGNORECASE,
)
# What only the owner can change: his account may not use the model.
ACCESS: Final = re.compile(r"does not have access to (the )?model|organization must be verified", re.IGNORECASE)
# OpenAI says with 403 that a model makes no vectors (ragflow #1835, langchain #9270): the caller chose it.
WRONG_MODEL: Final = re.compile(r"not allowed to generate embeddings from this model", re.IGNORECASE)
# Ids of the owner's organisations, projects and keys, as the providers spell them; and addresses of machines.
OWNERS_NAMES: Final = re.compile(rb"\b(?:org|proj|project|sk)[-_][A-Za-z0-9][A-Za-z0-9_-]{5,}")
ADDRESSES: Final = re.compile(rb"\b\d{1,3}(?:\.\d{1,3}){3}\b")
MASK: Final = b"***"
# A letter as JSON may also spell it: a caller's word is his however he wrote it.
ESCAPED: Final = re.compile(rb"\\u00([2-7][0-9a-f])", re.IGNORECASE)
# OpenAI's and Anthropic's `error.type` of the statuses that have one of their own.
TYPES: Final = {
    404: ("not_found_error", "not_found_error"),
    408: ("invalid_request_error", "timeout_error"),
    409: ("invalid_request_error", "conflict_error"),
    413: ("invalid_request_error", "request_too_large"),
}
ANTHROPIC_TYPES: Final = frozenset({"invalid_request_error", *(anthropic for _, anthropic in TYPES.values())})
NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
NAME_CHARACTERS_MAX: Final = 200
SECRET_CHARACTERS_MIN: Final = 8
METADATA: Final = ("provider_name", "error_type")
NO_SUCH_PLACE: Final = frozenset({404, 405})
RETRY_AFTER_S: Final = (1, 60)
MESSAGE_CHARACTERS_MAX: Final = 1000
TOO_MANY, OVERLOADED, UNAVAILABLE, REQUEST_TIMEOUT = 429, 529, 503, 408


class OwnersTrouble(NoChannel):
    """The upstream refused the owner's own credential or wallet: told to the caller as "no available channel".

    `owners_text` is for the owner alone; `every_model`: it is not about one model of the channel.
    """

    def __init__(self, owners_text: str, *, every_model: bool = True) -> None:
        super().__init__("No available upstream channel for the requested model: the provider refused Haze.")
        self.owners_text = owners_text
        self.every_model = every_model


class Unreachable(UpstreamFailed):
    """There was no line to the upstream at all, whatever the model."""


class Unspeakable(BadRequest):
    """What was asked cannot be said in this channel's protocol; another channel may speak the caller's own."""


class PassedOn(HazeError):
    """The caller's own fault, as the upstream put it: its status, and its words.

    A body that the caller's SDK reads as it stands goes back unchanged, all but the names of the owner's accounts,
    which some providers put into their texts. Any other shape becomes the protocol's own envelope around its words.
    """

    def __init__(self, channel: Channel, status: int, error: dict[str, Any] | None, body: bytes = b"") -> None:
        told = _told(channel, error)
        super().__init__(told or f"The provider behind channel {channel.name} refused the request ({status}).")
        self.status = self.upstream_status = status
        self.openai_type, self.anthropic_type = TYPES.get(status, ("invalid_request_error", "invalid_request_error"))
        self._take_names(error or {})
        self._channel = channel
        self._body = body
        self._metadata = (error or {}).get("metadata")
        # The upstream's error object, with words that anyone may read in the place of its own.
        self.error = {**(error or {}), "message": self.message, "metadata": self._known_metadata()}
        self.headers: Mapping[str, str] = {}
        # Status and body as translation made them, where the channel speaks another protocol than the caller.
        self.rendered: tuple[int, bytes] | None = None

    def body_for(self, protocol: str, request_id: str) -> bytes:
        """The JSON body for a caller who speaks `protocol`."""
        if error_shapes.in_envelope(self._body, protocol):
            return _without_names(self._channel, self._body)
        rendered = envelope.of(self, protocol, request_id)
        # OpenRouter's clients look into it for the provider's name and the kind of the error.
        if protocol != "messages" and (kept := self._known_metadata()):
            rendered["error"] |= {"metadata": kept}
        return _without_names(self._channel, orjson.dumps(rendered))

    def _known_metadata(self) -> dict[str, Any]:
        given = self._metadata if isinstance(self._metadata, dict) else {}
        return {name: given[name] for name in METADATA if _is_name(given.get(name))}

    def _take_names(self, error: dict[str, Any]) -> None:
        kind, code, param = error.get("type"), error.get("code"), error.get("param")
        # A flat error event has its own type in this place.
        if isinstance(kind, str) and kind != "error" and NAME.fullmatch(kind):
            self.openai_type = kind
            self.anthropic_type = kind if kind in ANTHROPIC_TYPES else self.anthropic_type
        # OpenAI's `code` is a text or null, and typed clients fail over a number.
        if isinstance(code, int) or (isinstance(code, str) and NAME.fullmatch(code)):
            self.openai_code = str(code)
        self.param = param[:NAME_CHARACTERS_MAX] if isinstance(param, str) else None


# Worst news last: of several failures the caller is told the one that most invites another try.
TELLING: Final = (RateLimited, Overloaded, UpstreamSilent, UpstreamFailed, PassedOn, Unspeakable, OwnersTrouble)


def blames_the_channel(error: HazeError) -> bool:
    """Whether a failed attempt speaks against its channel: everything but the caller's own fault."""
    return isinstance(error, OwnersTrouble | UpstreamFailed | RateLimited | Overloaded)


def for_owner(error: HazeError) -> str:
    """What went wrong, in words for the owner alone; never a credential."""
    return error.owners_text if isinstance(error, OwnersTrouble) else error.message


def words(channel: Channel, body: bytes) -> str:
    """What a refusal of a channel says, for the owner; at most so many characters, and never a credential."""
    return _told(channel, error_object(body))


def worth_another(error: HazeError) -> bool:
    """Whether another channel may do better: it may also know a model that this one does not."""
    unknown_there = isinstance(error, PassedOn) and error.upstream_status == HTTPStatus.NOT_FOUND
    return blames_the_channel(error) or unknown_there or isinstance(error, Unspeakable)


def most_telling(failures: Sequence[HazeError]) -> HazeError:
    """What the caller hears when every channel failed."""
    return min(failures, key=lambda error: next(n for n, kind in enumerate(TELLING) if isinstance(error, kind)))


def judge(channel: Channel, status: int, body: bytes, request_body: bytes, retry_after: str | None) -> HazeError:
    """What a refusal (status 400 and up) of a channel means for the caller."""
    error = error_object(body)
    if WRONG_MODEL.search(_message(error)) and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return PassedOn(channel, status, error, body)
    if status == HTTPStatus.FORBIDDEN and _is_moderated(error):
        return PassedOn(channel, HTTPStatus.BAD_REQUEST, error)
    empty = status in WALLET_STATUS and _wallet_is_empty(error, request_body)
    closed = status < HTTPStatus.INTERNAL_SERVER_ERROR and _says(ACCESS, _message(error), request_body)
    if status in OWNERS_STATUS or empty or closed:
        told = _told(channel, error) or "no reason given"
        return OwnersTrouble(f"the provider refused Haze with status {status}: {told}", every_model=not closed)
    if status >= 500 or status in (TOO_MANY, REQUEST_TIMEOUT):
        # A bare text is that of a proxy on the way, and speaks of the owner's machines.
        return _trouble(channel, status, error if body.lstrip().startswith((b"{", b"[")) else None, retry_after)
    if status in NO_SUCH_PLACE and not _message(error):
        # No provider's API says that without a word: it is not one that lives at this address.
        return _trouble(channel, status, None, retry_after)
    return PassedOn(channel, status, error, body)


def judge_event(channel: Channel, error: dict[str, Any], request_body: bytes | None) -> HazeError:
    """What an error inside an answer means: the status it would have had says so. No `request_body`: it is forgotten,
    so that nobody knows any more which of the words are the caller's.
    """
    error = error_shapes.normal(error) or {}
    status = error_shapes.status_of(error) or HTTPStatus.BAD_GATEWAY
    if status == HTTPStatus.FORBIDDEN and _is_moderated(error):
        return PassedOn(channel, HTTPStatus.BAD_REQUEST, error)
    if status in OWNERS_STATUS or _wallet_is_empty(error, request_body):
        told = _told(channel, error) or "no reason given"
        return OwnersTrouble(f"the provider refused Haze inside its answer ({status}): {told}")
    if 400 <= status < 500 and status not in (TOO_MANY, REQUEST_TIMEOUT):
        return PassedOn(channel, status, error)
    return _trouble(channel, status, error, None)


def error_object(body: bytes) -> dict[str, Any] | None:
    """The error object of a body in any shape providers use, its `message` their own words; None when it has none."""
    return error_shapes.read(body)


def _is_moderated(error: dict[str, Any] | None) -> bool:
    """OpenRouter's 403 for what a caller wrote: it names the reasons, and has nothing to do with the owner."""
    metadata = error.get("metadata") if error else None
    return isinstance(metadata, dict) and ("reasons" in metadata or "flagged_input" in metadata)


def _wallet_is_empty(error: dict[str, Any] | None, request_body: bytes | None) -> bool:
    if error is None:
        return False
    names = ("code", "type") if request_body is None else ("message", "code", "type")
    text = " ".join(str(error.get(name) or "") for name in names)
    return _says(WALLET, text, request_body or b"")


def _says(phrases: re.Pattern[str], text: str, request_body: bytes) -> bool:
    """Whether an upstream's text has one of the phrases, and not because the request has it, too."""
    found = phrases.search(text)
    if found is None:
        return False
    asked = ESCAPED.sub(lambda code: bytes.fromhex(code[1].decode()), request_body)
    return found.group().encode().lower() not in asked.lower()


def _trouble(channel: Channel, status: int, error: dict[str, Any] | None, retry_after: str | None) -> HazeError:
    if status == TOO_MANY:
        # In our own words: the provider's speak of limits that are the owner's, and would be taken for the key's.
        return RateLimited("The provider's own rate limit is reached.", retry_after_s=_seconds(retry_after))
    text = _told(channel, error)
    if status == REQUEST_TIMEOUT:
        return UpstreamSilent(text or f"The provider behind channel {channel.name} did not answer in time.")
    if status in (OVERLOADED, UNAVAILABLE):
        return Overloaded(text or "The provider is overloaded.", retry_after_s=_seconds(retry_after))
    return UpstreamFailed(text or f"The provider behind channel {channel.name} failed with status {status}.")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= NAME_CHARACTERS_MAX


def _message(error: dict[str, Any] | None) -> str:
    message = error.get("message") if error else None
    return message[:MESSAGE_CHARACTERS_MAX] if isinstance(message, str) else ""


def _told(channel: Channel, error: dict[str, Any] | None) -> str:
    """The provider's words without what belongs to the owner."""
    text = ADDRESSES.sub(MASK, _without_names(channel, _message(error).encode("utf-8", "replace")))
    return text.decode()


def _without_names(channel: Channel, text: bytes) -> bytes:
    text = OWNERS_NAMES.sub(MASK, text)
    for name in _owners_words(channel):
        text = text.replace(name.encode(), MASK)
    return text


def _owners_words(channel: Channel) -> Iterator[str]:
    """The channel's key and address, and what its own headers say: that may be a credential, too."""
    if channel.api_key:
        yield channel.api_key
    yield from (value for value in channel.headers.values() if len(value) >= SECRET_CHARACTERS_MIN)
    if channel.base_url != channel.kind.base_url:
        place = urlsplit(channel.base_url)
        yield place.netloc
        # One label may be any word of the text.
        yield from (name for name in (place.hostname,) if name and "." in name)


def _seconds(retry_after: str | None) -> int | None:
    if retry_after is None or not retry_after.strip().isdecimal():
        return None
    low, high = RETRY_AFTER_S
    # Python refuses to read a number of more than 4,300 digits; nine are enough to be too long.
    return min(high, max(low, int(retry_after.strip()[:9])))
