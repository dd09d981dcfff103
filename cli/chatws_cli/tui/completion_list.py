"""List of completions above the composer."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.widgets import Static

from chatws_cli.screen.conversation_list import fit
from chatws_cli.text_ui.completion import extend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.widget import Widget

    from chatws_cli.text_ui.completion import Completion

_ROWS = 8
_LABEL_COLUMNS = 28
_NARROW_LABEL_COLUMNS = 14
_WIDE_COLUMNS = 60


class CompletionList(Static):
    """Up to eight rows around the chosen completion; hidden while there are none."""

    def __init__(self) -> None:
        super().__init__("", markup=False, classes="completions")
        self._found: Sequence[Completion] = ()
        self._chosen = 0

    @property
    def is_shown(self) -> bool:
        """Whether there are completions."""
        return bool(self._found)

    def show(self, found: Sequence[Completion]) -> None:
        """Show other completions; the first one is chosen."""
        if found != self._found:
            self._found, self._chosen = found, 0
            self._draw()

    def choose(self, step: int) -> None:
        """Choose the completion above or below."""
        if self._found:
            self._chosen = (self._chosen + step) % len(self._found)
            self._draw()

    def complete(self, line: str) -> str:
        """Return the line after Tab: extended by what all completions share, else the chosen completion."""
        extended = extend(line, self._found)
        return extended if extended != line or not self._found else self._found[self._chosen].line

    def _draw(self) -> None:
        self.display = bool(self._found)
        first = max(0, min(self._chosen - _ROWS // 2, len(self._found) - _ROWS))
        columns = max(1, cast("Widget", self.parent).size.width - 1)
        label_columns = _LABEL_COLUMNS if columns >= _WIDE_COLUMNS else _NARROW_LABEL_COLUMNS
        text = Text(no_wrap=True, end="")
        for place, each in enumerate(self._found[first : first + _ROWS], first):
            row = each.label if not each.summary else f"{each.label:<{label_columns}} {each.summary}"
            text.append(fit(f"  {row}", columns) + "\n", "reverse" if place == self._chosen else "")
        text.right_crop(1)
        self.update(text)
