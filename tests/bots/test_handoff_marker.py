"""The hand-off marker in a stream of text."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from chatws.bots import HandOff
from chatws.bots.handoff_marker import MARKER, watch_for_marker


async def passed(text: str, size: int) -> tuple[str, bool]:
    async def pieces() -> AsyncGenerator[str]:
        for at in range(0, len(text), size):
            yield text[at : at + size]

    out = [piece async for piece in watch_for_marker(pieces())]
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
async def test_marker_is_found_and_nothing_else_lost_however_it_is_cut(
    text: str, expected: str, handed_off: bool
) -> None:
    for size in range(1, len(text) + 1):
        assert await passed(text, size) == (expected, handed_off), size


async def test_text_that_cannot_be_the_marker_is_passed_on_at_once() -> None:
    async def pieces() -> AsyncGenerator[str]:
        yield "hello ["
        raise AssertionError("asked for more before passing on what it had")

    watched = watch_for_marker(pieces())
    assert await anext(watched) == "hello "
    await watched.aclose()
