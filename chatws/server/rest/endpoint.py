"""HTTP handler of a REST operation: decodes the request, runs the pipeline, encodes the reply."""

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
    """Endpoint of one operation."""

    def __init__(self, context: RestContext, authenticator: RestAuthenticator, operation: Operation) -> None:
        self._context = context
        self._authenticator = authenticator
        self._operation = operation

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Reject a body that is not plain JSON, and respond."""
        if not is_plain_json(request):
            error = ChatError(ErrorCode.BAD_REQUEST, "Send application/json, not compressed.")
            return error_response(error, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return await self.respond(request)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Run the operation and return its reply."""
        reply = await self._context.pipeline.run_operation(self._operation.command, lambda: self.prepare(request))
        return reply_response(reply)

    async def prepare(self, request: web.Request) -> tuple[RequestContext, object]:
        """Authenticate the request and decode its payload.

        Raises:
            ChatError: the credentials or the payload are invalid, or the server is draining.
        """
        command = self._operation.command
        if self._operation.method == "GET":
            payload = codec.convert_fields(command, _query_fields(request) | request.match_info)
        else:
            if self._context.services.draining:
                raise ChatError(ErrorCode.DRAINING)
            body = await _read_body(request)
            payload = codec.decode_payload(command, _with_path_fields(body, dict(request.match_info)))
        return await self._authenticator.identify(request, command), payload


def is_plain_json(request: web.Request) -> bool:
    """Return whether the body is absent or uncompressed JSON; a compressed body could expand to any size."""
    if hdrs.CONTENT_ENCODING in request.headers:
        return False
    return not request.body_exists or request.content_type == JSON


def _query_fields(request: web.Request) -> dict[str, str]:
    fields = dict(request.query)
    if len(fields) != len(request.query):
        raise ChatError(ErrorCode.BAD_REQUEST, "A field is repeated.")
    return fields


async def _read_body(request: web.Request) -> bytes:
    try:
        return await request.read() or b"{}"
    except web.HTTPRequestEntityTooLarge:
        raise ChatError(ErrorCode.TOO_LARGE) from None
    except (web.RequestPayloadError, ConnectionError):
        raise ChatError(ErrorCode.BAD_REQUEST, "The body is incomplete.") from None


def _with_path_fields(body: bytes, path_fields: dict[str, str]) -> bytes:
    """Merge the path fields into the JSON body, overriding fields of the same name."""
    if not path_fields:
        return body
    try:
        raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in path_fields.items()}
        return msgspec.json.encode(_fields.decode(body) | raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ChatError(ErrorCode.BAD_REQUEST, "The body is not a JSON object.") from None
