"""How deep and how wide the JSON of one packet may be, told without building it.

Built values are what costs: 64 KiB of ``[[[…`` or ``1,1,1…`` is read in 2 ms but becomes thousands of objects, and what
is nested deeper than Python's recursion limit fails wherever it is next walked through.
"""

from __future__ import annotations

import re

from chatws.wire.errors import PacketError, ViolationKind

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""A string, or all text after an unfinished one: a search that failed there would begin again at each quote."""
_BRACKET = re.compile(r"[\[\]{}]")
_OPENING = frozenset("[{")


def check_json_limits(raw_json: str, *, max_depth: int, max_values: int) -> None:
    """Refuse JSON that is nested too deep or holds too many values; 0 switches a limit off.

    An object's keys do not count, the payload's own array does: ``["echo",[]]`` is two levels and three values. The
    text need not have been checked for syntax.

    Raises:
        PacketError: it is beyond a limit.
    """
    size = len(raw_json)
    if size <= 2 * min(max_depth, max_values):
        return
    opening = raw_json.count("[") + raw_json.count("{")
    may_be_deep = 0 < max_depth < opening
    may_be_wide = 0 < max_values <= size // 2 and opening + raw_json.count(",") >= max_values
    if may_be_deep or may_be_wide:
        # Brackets and commas inside strings are text; most of what comes this far is a long message.
        bare = _STRING.sub("0", raw_json)
        if may_be_wide and _count_values(bare) > max_values:
            raise PacketError(ViolationKind.MALFORMED, "too many values in one packet")
        if may_be_deep:
            _check_depth(bare, max_depth)


def _count_values(bare: str) -> int:
    return 1 + bare.count(",") + bare.count("[") + bare.count("{") - bare.count("[]") - bare.count("{}")


def _check_depth(bare: str, max_depth: int) -> None:
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in _OPENING else -1
        if depth > max_depth:
            raise PacketError(ViolationKind.MALFORMED, "JSON is nested too deep")
