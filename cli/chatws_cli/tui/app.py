"""Textual application of the full screen: start, signals, exit code."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from chatws.exit_codes import ExitCode
from chatws_cli.exit_signals import handle_exit_signals, restore_exit_signals
from chatws_cli.screen.keys import keys_of
from chatws_cli.screen.themes import THEME_NAMES
from chatws_cli.tui.chat_view import ChatView
from chatws_cli.tui.styles import CSS as STYLE_SHEET
from chatws_cli.tui.styles import make_theme
from chatws_cli.tui.terminal_keys import register_alt_enter
from chatws_cli.tui.terminal_output import TerminalDriver

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.driver import Driver
    from textual.screen import Screen

    from chatws_cli.tui.controller import ChatController
    from chatws_cli.tui.preferences import Preferences


class ChatApp(App[int], inherit_bindings=False):
    """Shows one or several controllers side by side; it ends with the first of them."""

    CSS = STYLE_SHEET
    TITLE = "chatws"
    ENABLE_COMMAND_PALETTE = True
    # With priority, so that keys typed immediately after Tab go to the other side.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete_or_switch", "complete, or the other side", show=False, priority=True),
        Binding("shift+tab", "focus_previous", "the other side", show=False, priority=True),
    ]

    def __init__(
        self, controllers: Sequence[ChatController], preferences: Preferences, driver_class: type[Driver] | None = None
    ) -> None:
        super().__init__(driver_class=driver_class, ansi_color=True)
        base = self.available_themes["ansi-dark"]
        for name in THEME_NAMES:
            self.register_theme(make_theme(name, base))
        self.theme = preferences.theme
        self.problem: BaseException | None = None
        """Error that ended the application; raised after the terminal is restored."""
        self._controllers = controllers
        self._preferences = preferences

    @property
    def is_output_blocked(self) -> bool:
        """Whether a write still waits for the terminal: at its exit, the interpreter would wait for it too."""
        return isinstance(self._driver, TerminalDriver) and self._driver.is_output_blocked

    def compose(self) -> ComposeResult:
        """Place the controllers side by side."""
        with Horizontal():
            for place, controller in enumerate(self._controllers):
                yield ChatView(controller, self._preferences).set_class(place > 0, "-second")

    def on_mount(self) -> None:
        """Start every controller, and exit with the first that ends."""
        self.set_keymap(self._preferences.keys)
        handle_exit_signals(asyncio.get_running_loop(), self._controllers[0].end)
        for controller in self._controllers:
            controller.ended.add_done_callback(self._on_ended)
            self.call_after_refresh(controller.begin)
        self.query(ChatView).first().composer.focus()

    def on_unmount(self) -> None:
        """Remove the signal handlers."""
        restore_exit_signals(asyncio.get_running_loop())

    def on_app_focus(self) -> None:
        """Handle the focus returning to the terminal."""
        self._update_visibility()

    def on_app_blur(self) -> None:
        """Handle the focus leaving the terminal."""
        self._update_visibility()

    def action_complete_or_switch(self) -> None:
        """Complete the typed command; without one, go to the other side."""
        view = next((one for one in self.screen.query(ChatView) if self.screen.focused is one.composer), None)
        if view is None or not view.complete():
            self.screen.focus_next()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """List the actions of the focused side in the command palette."""
        view = next((one for one in screen.query(ChatView) if screen.focused in {one.composer, None}), None)
        if view is None:
            return
        for key in keys_of(is_agent=view.controller.is_agent):
            if key.in_palette and key.action:
                run = partial(self.run_action, key.action, default_namespace=view)
                yield SystemCommand(key.summary.capitalize(), f"also {key.keys}", run)

    def _fatal_error(self) -> None:
        # Textual would print a traceback with all local variables, including the token.
        self.problem = self._exception
        self._close_messages_no_wait()

    def _update_visibility(self) -> None:
        for view in self.screen_stack[0].query(ChatView):
            view.update_visibility()

    def _on_ended(self, ended: asyncio.Future[int]) -> None:
        problem = ended.exception()
        if problem is None:
            self.exit(ended.result())
        else:
            self.problem = problem
            self.exit(int(ExitCode.FAILED))


async def run_screen(controllers: Sequence[ChatController], preferences: Preferences) -> int:
    """Show the controllers until one of them ends, and return its exit code; the terminal is always restored.

    Raises:
        Exception: the error that ended the application.
    """
    register_alt_enter()
    app = ChatApp(controllers, preferences, TerminalDriver)
    try:
        code = await app.run_async(mouse=preferences.mouse)
    finally:
        for controller in controllers:
            await controller.close()
    if app.is_output_blocked:
        os._exit(int(ExitCode.HUNG_UP) if code is None else code)
    if app.problem is not None:
        raise app.problem
    return int(ExitCode.DONE) if code is None else code
