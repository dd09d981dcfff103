"""Detection of the marker with which a language model hands a conversation to an agent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from chatws.bots.interface import HandOff

MARKER = "[[handoff]]"
"""Text that the prompt asks the model to write; it is not sent to the customer."""


async def replace_marker(pieces: AsyncGenerator[str]) -> AsyncGenerator[str | HandOff]:
    """Yield the text, with a `HandOff` in place of the marker as the last item; a partial marker is buffered."""
    buffered = ""
    async with aclosing(pieces):
        async for piece in pieces:
            text, found, _ = (buffered + piece).partition(MARKER)
            if found:
                if text:
                    yield text
                yield HandOff("the bot handed off")
                return
            cut = len(text) - _partial_marker_length(text)
            buffered = text[cut:]
            if cut:
                yield text[:cut]
    if buffered:
        yield buffered


def _partial_marker_length(text: str) -> int:
    """Return the number of characters at the end of the text that may be the start of the marker."""
    return next((size for size in range(len(MARKER) - 1, 0, -1) if text.endswith(MARKER[:size])), 0)
