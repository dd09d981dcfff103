"""Turns a row of the REST table into an HTTP handler: the request's fields in, the pipeline's reply out."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web

from chatws.protocol import codec
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.rest_spec import Operation
from chatws.server.requests.context import RequestContext
from chatws.server.rest.authentication import RestAuthenticator
from chatws.server.rest.context import RestContext
from chatws.server.rest.responses import JSON, error_response, reply_response

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RestEndpoint:
    """One operation."""

    def __init__(self, api: RestContext, callers: RestAuthenticator, operation: Operation) -> None:
        self._api = api
        self._callers = callers
        self._operation = operation

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if not is_plain_json(request):
            problem = ChatError(ErrorCode.BAD_REQUEST, "Send application/json, not compressed.")
            return error_response(problem, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request whose form is right."""
        reply = await self._api.pipeline.run_operation(self._operation.command, lambda: self.prepare(request))
        return reply_response(reply)

    async def prepare(self, request: web.Request) -> tuple[RequestContext, object]:
        """Read the request: who asks, and the payload.

        Raises:
            ChatError: either cannot be read or is not valid.
        """
        row = self._operation.command
        if self._operation.method == "GET":
            payload = codec.convert_fields(row, _query_fields(request) | request.match_info)
        else:
            if self._api.drain.began:
                raise ChatError(ErrorCode.DRAINING)
            body = await _read_body(request)
            payload = codec.decode_payload(row, _with_path_fields(body, dict(request.match_info)))
        return await self._callers.identify(request, row), payload


def is_plain_json(request: web.Request) -> bool:
    """Whether the body is absent, or JSON as it stands; a compressed one could unfold to any size."""
    if hdrs.CONTENT_ENCODING in request.headers:
        return False
    return not request.body_exists or request.content_type == JSON


def _query_fields(request: web.Request) -> dict[str, str]:
    fields = dict(request.query)
    if len(fields) != len(request.query):
        raise ChatError(ErrorCode.BAD_REQUEST, "A field is given twice.")
    return fields


async def _read_body(request: web.Request) -> bytes:
    try:
        return await request.read() or b"{}"
    except web.HTTPRequestEntityTooLarge:
        raise ChatError(ErrorCode.TOO_LARGE) from None
    except web.RequestPayloadError:
        raise ChatError(ErrorCode.BAD_REQUEST, "The body is not complete.") from None


def _with_path_fields(body: bytes, path_fields: dict[str, str]) -> bytes:
    """Put the fields of the path into the body; they win."""
    if not path_fields:
        return body
    try:
        raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in path_fields.items()}
        return msgspec.json.encode(_fields.decode(body) | raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ChatError(ErrorCode.BAD_REQUEST, "The body is not a JSON object.") from None
