"""Line below a full screen in which a filter is typed."""

from __future__ import annotations

from collections.abc import Callable

from textual.events import Key
from textual.widgets import Input


class FilterBox(Input):
    """Line that Enter applies and Esc leaves; the keys typed behind them go to the widget that has the focus then.

    Textual passes a key to the widget that has the focus when it arrives, although that one has not handled the keys
    before it yet, and calls handlers of messages later still.
    """

    DEFAULT_CSS = """
    FilterBox { display: none; height: 3; }
    FilterBox.shown { display: block; }
    """

    def __init__(self, placeholder: str, *, apply: Callable[[str], object], leave: Callable[[], object]) -> None:
        """Create a closed box; a function that moves the focus uses ``set_focus`` of the screen, which acts at once."""
        super().__init__(placeholder=placeholder)
        self._apply = apply
        self._leave = leave

    def open(self) -> None:
        """Show the box, and give it the focus."""
        self.add_class("shown")
        self.screen.set_focus(self)

    def close(self) -> None:
        """Hide the box; the focus stays to be moved."""
        self.remove_class("shown")

    async def _on_key(self, event: Key) -> None:
        # Textual calls the method of the base class afterwards, unless the default is prevented.
        if self.screen.focused is not self:
            self.app.post_message(Key(event.key, event.character))
        elif event.key == "enter":
            self._apply(self.value)
        elif event.key == "escape":
            self._leave()
        else:
            return
        event.stop()
        event.prevent_default()
