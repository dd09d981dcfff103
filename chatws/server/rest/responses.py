"""HTTP responses of replies and errors; all errors have the same JSON form."""

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
"""Value of Retry-After of a 503 whose error does not specify a delay."""

_CODE_BY_STATUS: Mapping[int, ErrorCode] = {
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.TOO_LARGE,
}


def reply_response(reply: Ok | Refused) -> web.Response:
    """Encode a reply of the pipeline."""
    if isinstance(reply, Refused):
        return _error(reply, ERRORS[reply.error.code].http_status)
    return web.Response(body=msgspec.json.encode(reply), content_type=JSON)


def error_response(error: ChatError, status: int | None = None) -> web.Response:
    """Encode an error raised outside the pipeline; ``status`` replaces the status of its code."""
    return _error(Refused(error=error.body), status or error.http_status)


def http_error_response(error: web.HTTPException) -> web.Response:
    """Encode an error of the HTTP layer, such as 405, in the common form."""
    code = _CODE_BY_STATUS.get(error.status, ErrorCode.BAD_REQUEST)
    text = ERRORS[code].text if code is not ErrorCode.BAD_REQUEST else f"{error.reason}."
    response = error_response(ChatError(code, text), error.status)
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response


def _error(refused: Refused, status: int) -> web.Response:
    response = web.Response(status=status, body=msgspec.json.encode(refused), content_type=JSON)
    retry_after_s = _retry_after_s(refused.error, status)
    if retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(retry_after_s)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


def _retry_after_s(error: ErrorBody, status: int) -> int | None:
    if error.retry_after_ms is not UNSET:
        return math.ceil(error.retry_after_ms / 1000)
    return RETRY_AFTER_S if status == HTTPStatus.SERVICE_UNAVAILABLE else None
