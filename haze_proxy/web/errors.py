"""Errors as pages, for people; whoever calls the API hears them in his own protocol (gate/errors.py)."""

from http import HTTPStatus

from aiohttp import web

from haze_proxy.context import REQUEST_ID
from haze_proxy.errors import HazeError, MethodNotAllowed
from haze_proxy.web.context import PAGE
from haze_proxy.web.render import page

TITLES = {
    403: "That is not allowed",
    404: "There is no such page",
    405: "That does not work here",
    413: "That is too much",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "Not at this moment",
}


def error(request: web.Request, failed: HazeError) -> web.Response | None:
    """An error as a page, when a page was asked for: one of the table, or one that is not there, by a browser."""
    is_page = PAGE in request and not request[PAGE].is_data
    if not is_page and not _looks_for_a_page(request):
        return None
    title = TITLES.get(failed.status, "That cannot be done")
    response = page(
        request,
        "error.html",
        status=failed.status,
        title=title,
        message=_message(request, failed).removeprefix(f"{title}. "),
        request_id=request.get(REQUEST_ID, ""),
    )
    if failed.retry_after_s is not None:
        response.headers["Retry-After"] = str(failed.retry_after_s)
    if isinstance(failed, MethodNotAllowed):
        response.headers["Allow"] = failed.allow
    return response


def _message(request: web.Request, failed: HazeError) -> str:
    # The API's own text names the method; people know of none.
    return (
        failed.message if PAGE in request or failed.status != HTTPStatus.NOT_FOUND else f"Nothing is at {request.path}."
    )


def _looks_for_a_page(request: web.Request) -> bool:
    # What lies below a mounted application is the API's, whoever asks.
    is_api = len(request.match_info.apps) > 1
    return not is_api and "text/html" in request.headers.get("Accept", "")
