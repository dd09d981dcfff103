"""Limits on depth and number of values of a packet's JSON, checked without decoding it.

Decoding is expensive: 64 KiB of ``[[[…`` or ``1,1,1…`` is scanned in 2 ms but becomes thousands of objects, and
values nested deeper than Python's recursion limit fail in any code that walks them.
"""

from __future__ import annotations

import re

from chatws.wire.errors import PacketError, ViolationKind

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""A string, or all text after an unterminated one: a search that failed there would restart at each quote."""
_BRACKET = re.compile(r"[\[\]{}]")
_OPENING = frozenset("[{")


def check_json_limits(raw_json: str, *, max_depth: int, max_values: int) -> None:
    """Refuse JSON that is nested too deep or has too many values; 0 disables a limit.

    The keys of an object do not count, the array of the payload does: ``["echo",[]]`` is two levels and three values.
    The syntax of the text need not be valid.

    Raises:
        PacketError: the JSON exceeds a limit.
    """
    size = len(raw_json)
    if size <= 2 * min(max_depth, max_values):
        return
    opening = raw_json.count("[") + raw_json.count("{")
    may_be_deep = 0 < max_depth < opening
    may_be_wide = 0 < max_values <= size // 2 and opening + raw_json.count(",") >= max_values
    if may_be_deep or may_be_wide:
        # Brackets and commas inside strings do not count; most packets that get here are long messages.
        stripped = _STRING.sub("0", raw_json)
        if may_be_wide and _count_values(stripped) > max_values:
            raise PacketError(ViolationKind.MALFORMED, "too many values in one packet")
        if may_be_deep:
            _check_depth(stripped, max_depth)


def _count_values(stripped: str) -> int:
    separators = stripped.count(",") + stripped.count("[") + stripped.count("{")
    return 1 + separators - stripped.count("[]") - stripped.count("{}")


def _check_depth(stripped: str, max_depth: int) -> None:
    depth = 0
    for bracket in _BRACKET.finditer(stripped):
        depth += 1 if bracket[0] in _OPENING else -1
        if depth > max_depth:
            raise PacketError(ViolationKind.MALFORMED, "JSON is nested too deep")
