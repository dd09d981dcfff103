"""Search in the messages of a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws_cli.presentation.thread import Thread
    from chatws_cli.presentation.timeline_items import MessageItem


class Search:
    """Search for a text, ignoring case, and the match that is shown."""

    def __init__(self, thread: Thread, text: str) -> None:
        self.thread = thread
        self.text = text
        self.found: MessageItem | None = None
        """Match that is shown; None before the first."""

    def matches(self) -> list[MessageItem]:
        """Return the loaded messages that contain the text, oldest first."""
        wanted = self.text.casefold()
        return [item for item in self.thread.messages() if wanted in item.text.casefold()]

    def move(self, step: int) -> bool:
        """Go to an older (-1) or newer (1) match, from none to the newest; return False if there is no such match."""
        found = self.matches()
        if not found:
            return False
        place = found.index(self.found) + step if self.found in found else len(found) - 1
        if not 0 <= place < len(found):
            return False
        self.found = found[place]
        return True

    def describe(self) -> str:
        """Return the position among the matches, and the keys."""
        found = self.matches()
        if self.found not in found:
            return f"not found: {self.text}"
        return f"{self.text}: match {len(found) - found.index(self.found)} of {len(found)}   n older, N newer, Esc ends"
