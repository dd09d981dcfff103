"""The mark with which a language model hands a conversation to a human, also when it comes in several pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from chatws.bots.interface import HandOff

MARKER = "[[handoff]]"
"""A prompt tells the model to write this; the customer never sees it."""


async def watch_for_marker(pieces: AsyncGenerator[str]) -> AsyncGenerator[str | HandOff]:
    """Pass the text on; the marker ends it with a `HandOff`. What may be its beginning is held back until it is not."""
    held = ""
    async with aclosing(pieces):
        async for piece in pieces:
            text, found, _ = (held + piece).partition(MARKER)
            if found:
                if text:
                    yield text
                yield HandOff("the bot handed off")
                return
            cut = len(text) - _possible_start(text)
            held = text[cut:]
            if cut:
                yield text[:cut]
    if held:
        yield held


def _possible_start(text: str) -> int:
    """How many characters at the end could be the beginning of the marker."""
    return next((size for size in range(len(MARKER) - 1, 0, -1) if text.endswith(MARKER[:size])), 0)
