"""Search in the open conversation of the full screen, also in history that is not loaded yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.screen.search import Search

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatws_cli.screen.state import ScreenState


class Searcher:
    """Starts, continues and ends the search; ``load_older`` loads a page of the open conversation's history."""

    def __init__(self, screen: ScreenState, load_older: Callable[[], Awaitable[None]]) -> None:
        self._screen = screen
        self._load_older = load_older

    async def start(self, text: str) -> None:
        """Search for a text and show the newest match; an empty one ends the search.

        Raises:
            ClientError: the server refused to send older messages.
        """
        thread = self._screen.current
        self._screen.search = Search(thread, text) if thread is not None and text else None
        await self.move(-1)

    async def move(self, step: int) -> None:
        """Go to an older (-1) or newer (1) match; load history until there is one.

        Raises:
            ClientError: the server refused to send older messages.
        """
        search = self._screen.search
        if search is None:
            return
        while not search.move(step) and step < 0 and search.thread.can_load_older and search is self._screen.search:
            count = len(search.thread.messages())
            await self._load_older()
            if len(search.thread.messages()) == count:
                break  # another request loads the page
