"""Driver of the full-screen application without a terminal: presses keys and reads the screen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chatws.client import AgentClient, CustomerClient
from chatws_cli.tui.app import ChatApp
from chatws_cli.tui.chat_view import ChatView
from chatws_cli.tui.controller import ChatController
from tests.support.chat import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import RenderableType
    from textual.pilot import Pilot
    from textual.screen import Screen

    from tests.support.chat import RunningChat


class ObservedApp(ChatApp):
    """Application that counts the updates of its screen: rendering it takes longer than most updates."""

    updates = 0

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        self.updates += 1
        super()._display(screen, renderable)


class TuiDriver:
    """Running application with its pilot and controller."""

    def __init__(self, app: ObservedApp, pilot: Pilot[int], controller: ChatController) -> None:
        self.app = app
        self.pilot = pilot
        self.controller = controller

    @property
    def text(self) -> str:
        """Rows of the screen."""
        return text_of(self.app)

    @property
    def view(self) -> ChatView:
        return self.app.query(ChatView).first()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def write(self, text: str) -> None:
        """Type a message and send it."""
        self.view.composer.insert(text)
        await self.pilot.press("enter")

    async def wait_for(self, pattern: str) -> None:
        """Wait until the screen matches a pattern.

        Raises:
            AssertionError: no match in time.
        """
        try:
            await self._until_text(lambda text: re.search(pattern, text) is not None)
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} on\n{self.text}") from None

    async def wait_until_absent(self, pattern: str) -> None:
        try:
            await self._until_text(lambda text: re.search(pattern, text) is None)
        except TimeoutError:
            raise AssertionError(f"still {pattern!r} on\n{self.text}") from None

    async def _until_text(self, is_expected: Callable[[str], bool]) -> None:
        checked = -1

        def check() -> bool:
            nonlocal checked
            if checked == self.app.updates:
                return False
            checked = self.app.updates
            return is_expected(self.text)

        await until(check)


def text_of(app: ChatApp) -> str:
    """Return the rows of the screen as text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def agent_controller(
    chat: RunningChat, data_dir: Path, user_id: str = "ada", conversation_id: str | None = None
) -> ChatController:
    return ChatController(AgentClient(chat.url, chat.token(user_id)), conversation_id, data_dir, "server")


def customer_controller(
    chat: RunningChat, data_dir: Path, conversation_id: str, session_id: str = "ses-grace"
) -> ChatController:
    return ChatController(CustomerClient(chat.url, session_id), conversation_id, data_dir, "server")
