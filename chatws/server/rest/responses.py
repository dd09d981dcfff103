"""Writes replies as HTTP: one shape for everything that went wrong, whoever noticed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET

from chatws.protocol.errors import ERRORS, ChatError, ErrorBody, ErrorCode
from chatws.protocol.responses import Ok, Refused

JSON = "application/json"

RETRY_AFTER_S = 1
"""What a 503 says when nothing better is known."""

_CODE_OF_STATUS: Mapping[int, ErrorCode] = {
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.TOO_LARGE,
}


def reply_response(reply: Ok | Refused) -> web.Response:
    """Write a reply of the pipeline."""
    if isinstance(reply, Refused):
        return _refused(reply, ERRORS[reply.error.code].http_status)
    return web.Response(body=msgspec.json.encode(reply), content_type=JSON)


def error_response(error: ChatError, status: int | None = None) -> web.Response:
    """Write an error that was noticed outside the pipeline; ``status`` says more than the code's own."""
    return _refused(Refused(error=error.body), status or error.http_status)


def http_error_response(problem: web.HTTPException) -> web.Response:
    """Write an error of the HTTP layer, such as 405, in our shape."""
    code = _CODE_OF_STATUS.get(problem.status, ErrorCode.BAD_REQUEST)
    text = ERRORS[code].text if code is not ErrorCode.BAD_REQUEST else f"{problem.reason}."
    response = error_response(ChatError(code, text), problem.status)
    if hdrs.ALLOW in problem.headers:
        response.headers[hdrs.ALLOW] = problem.headers[hdrs.ALLOW]
    return response


def _refused(refused: Refused, status: int) -> web.Response:
    response = web.Response(status=status, body=msgspec.json.encode(refused), content_type=JSON)
    wait_s = _retry_after_s(refused.error, status)
    if wait_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(wait_s)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


def _retry_after_s(error: ErrorBody, status: int) -> int | None:
    if error.retry_after_ms is not UNSET:
        return math.ceil(error.retry_after_ms / 1000)
    return RETRY_AFTER_S if status == HTTPStatus.SERVICE_UNAVAILABLE else None
