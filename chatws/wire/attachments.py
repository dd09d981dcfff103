"""Binary arguments: detached from a value and attached to it again, with placeholders in their place.

A placeholder is ``{"_placeholder": true, "num": n}`` for the attachment at index ``n``.

Source: the Socket.IO protocol, revision 5, "Packet encoding".
"""

from __future__ import annotations

from collections.abc import Sequence

from chatws.wire.errors import PacketError, ViolationKind

PLACEHOLDER = "_placeholder"
_MAX_DEPTH = 64
"""Far beyond real payloads, far below Python's recursion limit."""


def detach(value: object) -> tuple[object, list[bytes]]:
    """Replace every bytes object in ``value`` by a placeholder; return the new value and the bytes objects.

    Raises:
        ValueError: ``value`` is nested deeper than 64 levels.
    """
    found: list[bytes] = []
    return _detach(value, found, 0), found


def attach(value: object, buffers: Sequence[bytes]) -> object:
    """Replace the placeholders in ``value`` by ``buffers``.

    Raises:
        PacketError: a placeholder's ``num`` is not an exact integer in range, a buffer is used twice or not at all,
            or the value is nested deeper than 64 levels.
    """
    unused = set(range(len(buffers)))
    result = _attach(value, buffers, unused, 0)
    if unused:
        raise PacketError(ViolationKind.BINARY, "an attachment has no placeholder")
    return result


def _detach(value: object, found: list[bytes], depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep for binary attachments")
    if isinstance(value, bytes | bytearray | memoryview):
        found.append(bytes(value))
        return {PLACEHOLDER: True, "num": len(found) - 1}
    if isinstance(value, list | tuple):
        return [_detach(item, found, depth + 1) for item in value]
    if isinstance(value, dict):
        return {key: _detach(item, found, depth + 1) for key, item in value.items()}
    return value


def _attach(value: object, buffers: Sequence[bytes], unused: set[int], depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise PacketError(ViolationKind.MALFORMED, "nested too deep for binary attachments")
    if isinstance(value, list):
        return [_attach(item, buffers, unused, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(PLACEHOLDER) is True:
        return _resolve(value.get("num"), buffers, unused)
    return {key: _attach(item, buffers, unused, depth + 1) for key, item in value.items()}


def _resolve(num: object, buffers: Sequence[bytes], unused: set[int]) -> bytes:
    if type(num) is not int or num not in unused:
        raise PacketError(ViolationKind.BINARY, "placeholder number is out of range or used twice")
    unused.remove(num)
    return buffers[num]
