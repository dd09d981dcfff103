"""Requests of an agent's full screen for notes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.client import AgentClient
    from chatws_cli.screen.state import ScreenState


class NoteRequests:
    """Reads and adds notes."""

    def __init__(self, client: AgentClient, screen: ScreenState) -> None:
        self._client = client
        self._screen = screen

    async def load(self, conversation_id: str) -> None:
        """Show the notes of a conversation; those missed during a disconnect are found in this way too.

        Raises:
            ClientError: the server refused.
        """
        for note in await self._client.notes(conversation_id):
            self._screen.apply(note, time.monotonic())

    async def add(self, text: str) -> None:
        """Add a note to the open conversation.

        Raises:
            ClientError: the server refused.
        """
        key = self._screen.current_id
        if key is None or not text:
            self._screen.notify("give a text: /note TEXT", is_problem=True)
        else:
            self._screen.apply(await self._client.add_note(key, text), time.monotonic())
