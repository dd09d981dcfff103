"""Refusals that a driver decodes from CONNECT_ERROR or substitutes for unreadable acks."""

from __future__ import annotations

from contextlib import suppress

from chatws.client.core.effects import ConnectionEnd
from chatws.protocol.errors import ERRORS, ErrorBody, ErrorCode
from chatws.protocol.responses import Refused as RefusedReply

DEFAULT_MESSAGE = "connection refused"


def read_connect_error(payload: object) -> ConnectionEnd:
    """Read CONNECT_ERROR's parsed ``{message, data: {code}}``; without a known code it refuses the credentials."""
    message, code = DEFAULT_MESSAGE, ErrorCode.UNAUTHORIZED
    if isinstance(payload, dict):
        message = str(payload.get("message", message))
        details = payload.get("data")
        with suppress(ValueError):
            code = ErrorCode(str(details.get("code"))) if isinstance(details, dict) else code
    elif payload is not None:
        message = str(payload)
    return ConnectionEnd(message, code=code)


def unreadable_reply() -> RefusedReply:
    """Return the refusal that replaces an ack whose payload cannot be decoded; it is not retryable."""
    code = ErrorCode.INTERNAL
    return RefusedReply(
        error=ErrorBody(code=code, message="The server's answer could not be read.", retryable=ERRORS[code].retryable)
    )
