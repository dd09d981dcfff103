"""Hand-off marker in a stream of text."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from chatws.bots import HandOff
from chatws.bots.handoff_marker import MARKER, replace_marker


async def run_replacement(text: str, size: int) -> tuple[str, bool]:
    async def pieces() -> AsyncGenerator[str]:
        for at in range(0, len(text), size):
            yield text[at : at + size]

    out = [piece async for piece in replace_marker(pieces())]
    handed_off = bool(out) and isinstance(out[-1], HandOff)
    return "".join(piece for piece in out if isinstance(piece, str)), handed_off


@pytest.mark.parametrize(
    ("text", "expected", "handed_off"),
    [
        (f"before {MARKER} after", "before ", True),
        (MARKER, "", True),
        (f"[{MARKER}", "[", True),
        ("array[[0]] and [[hand", "array[[0]] and [[hand", False),
        ("[[handof", "[[handof", False),
        ("", "", False),
    ],
)
async def test_marker_is_found_for_every_split_and_no_text_is_lost(text: str, expected: str, handed_off: bool) -> None:
    for size in range(1, len(text) + 1):
        assert await run_replacement(text, size) == (expected, handed_off), size


async def test_text_that_cannot_be_the_marker_is_passed_on_at_once() -> None:
    async def pieces() -> AsyncGenerator[str]:
        yield "hello ["
        raise AssertionError("read the next piece before yielding the first")

    pieces_out = replace_marker(pieces())
    assert await anext(pieces_out) == "hello "
    await pieces_out.aclose()
