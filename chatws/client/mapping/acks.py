"""Reader of a server's acks: returns the ack that the guide's server would send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chatws.client.mapping.errors import AckShapeError
from chatws.client.mapping.model import AckMapping
from chatws.client.mapping.paths import ABSENT, compile_path

Fields = dict[str, Any]
AckReader = Callable[[Sequence[object]], Fields | None]


def compile_ack(ack: AckMapping) -> AckReader:
    """Return a function that reads an ack's values; None from it means that the ack decides nothing.

    The function raises `AckShapeError` for an ack of another shape.
    """
    if ack.kind == "empty":
        return _read_empty
    if ack.kind == "none":
        return _read_unexpected
    read_success, read_error = compile_path(ack.success), compile_path(ack.error)
    read_message_id = compile_path(ack.message_id)
    is_optional = ack.kind == "optional"

    def read(values: Sequence[object]) -> Fields | None:
        success, error = read_success(values), read_error(values)
        has_error = error not in (ABSENT, None, False, "")
        if ack.success and type(success) is type(ack.equals):
            accepted = success == ack.equals
        elif has_error:
            accepted = False
        elif ack.success or not values:
            if is_optional:
                return None
            raise AckShapeError(_describe(values, ack))
        else:
            accepted = True
        if not accepted:
            return refusal(error if has_error else "")
        message_id = read_message_id(values)
        return {"success": True} if message_id is ABSENT else {"success": True, "messageId": str(message_id)}

    return read


def refusal(reason: object) -> Fields:
    """Return the guide's ack of a refused request."""
    text = reason.get("message", reason) if isinstance(reason, dict) else reason
    return {"success": False, "error": {"code": "internal", "message": str(text)}}


def _read_empty(values: Sequence[object]) -> Fields:
    if any(value is not None for value in values):
        raise AckShapeError(f"an ack without content was expected, not {list(values)}")
    return {"success": True}


def _read_unexpected(values: Sequence[object]) -> None:
    del values


def _describe(values: Sequence[object], ack: AckMapping) -> str:
    if not values:
        return "the ack has no value"
    return f"the ack {list(values)} has no {type(ack.equals).__name__} at {ack.success}"
