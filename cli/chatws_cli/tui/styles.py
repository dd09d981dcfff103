"""Colour themes: styles of messages, and the style sheet.

The theme ``terminal`` uses the sixteen colours of the terminal, so that it follows the user's own theme.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.style import Style
from textual.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatws_cli.screen.layout import StyleName
    from chatws_cli.screen.themes import ThemeName


class Palette(NamedTuple):
    """Colours of a theme; each is the name of a terminal colour or ``#rrggbb``."""

    background: str
    foreground: str
    line: str
    accent: str
    styles: Mapping[StyleName, Style]
    is_dark: bool = True


def _styles(
    *, own: str, admin: str, customer: str, bot: str, note: str, problem: str, faint: Style
) -> Mapping[StyleName, Style]:
    return {
        "time": faint,
        "mark": faint,
        "own": Style(color=own, bold=True),
        "admin": Style(color=admin, bold=True),
        "customer": Style(color=customer, bold=True),
        "bot": Style(color=bot, bold=True),
        "text": Style(),
        "note": Style(color=note, italic=True),
        "notice": faint + Style(italic=True),
        "problem": Style(color=problem, bold=True),
        "rule": faint,
        "new": Style(color=problem, bold=True),
    }


PALETTES: Final[dict[str, Palette]] = {
    "terminal": Palette(
        background="ansi_default",
        foreground="ansi_default",
        line="ansi_bright_black",
        accent="ansi_cyan",
        styles=_styles(
            own="cyan",
            admin="magenta",
            customer="green",
            bot="blue",
            note="yellow",
            problem="red",
            faint=Style(dim=True),
        ),
    ),
    "dark": Palette(
        background="#16181d",
        foreground="#d8dee9",
        line="#4c566a",
        accent="#88c0d0",
        styles=_styles(
            own="#88c0d0",
            admin="#d3a4d0",
            customer="#a3be8c",
            bot="#81a1c1",
            note="#ebcb8b",
            problem="#e8838d",
            faint=Style(color="#8f98a8"),
        ),
    ),
    "light": Palette(
        background="#fbfbf8",
        foreground="#24292e",
        line="#9aa0a6",
        accent="#00677f",
        styles=_styles(
            own="#00677f",
            admin="#7b2d85",
            customer="#22632b",
            bot="#1f4fa3",
            note="#7a5200",
            problem="#b3261e",
            faint=Style(color="#5f6368"),
        ),
        is_dark=False,
    ),
    "high-contrast": Palette(
        background="#000000",
        foreground="#ffffff",
        line="#ffffff",
        accent="#ffff00",
        styles=_styles(
            own="#00ffff",
            admin="#ff9cff",
            customer="#7cff7c",
            bot="#9cc8ff",
            note="#ffff00",
            problem="#ff8080",
            faint=Style(color="#ffffff"),
        ),
    ),
}
MARKED: Final = Style(reverse=True)
FOUND: Final = Style(color="black", bgcolor="yellow", bold=True, underline=True, reverse=False)


def make_theme(name: ThemeName, base: Theme) -> Theme:
    """Return the theme of Textual for a palette; ``base`` is Textual's theme of the terminal's own colours."""
    palette = PALETTES[name]
    variables = {
        "chat-background": palette.background,
        "chat-foreground": palette.foreground,
        "chat-line": palette.line,
        "chat-accent": palette.accent,
    }
    if name == "terminal":
        return replace(base, name=name, variables={**base.variables, **variables})
    return Theme(
        name=name,
        primary=palette.accent,
        accent=palette.accent,
        foreground=palette.foreground,
        background=palette.background,
        surface=palette.background,
        panel=palette.background,
        dark=palette.is_dark,
        variables=variables,
    )


CSS: Final = """
* {
    scrollbar-background: $chat-background; scrollbar-background-hover: $chat-background;
    scrollbar-background-active: $chat-background; scrollbar-color: $chat-line;
    scrollbar-color-hover: $chat-line; scrollbar-color-active: $chat-accent;
}
Screen, ChatView, MessageList, ConversationListView, Composer, Static {
    background: $chat-background; color: $chat-foreground;
}
ChatView { width: 1fr; height: 1fr; }
ChatView.-second { border-left: solid $chat-line; }
ChatView .middle { height: 1fr; }
ChatView .conversation { width: 1fr; }
MessageList { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: scroll; }
ConversationListView {
    width: 26; height: 1fr; border-right: solid $chat-line; scrollbar-size-vertical: 0; overflow-x: hidden;
}
ChatView.-narrow ConversationListView { width: 1fr; border-right: none; }
ChatView.-narrow.-listed .conversation { display: none; }
ChatView.-unlisted ConversationListView { display: none; }
ChatView .typing { height: 1; text-style: italic; }
ChatView .composer { height: auto; max-height: 6; border-top: solid $chat-line; }
ChatView:focus-within .composer { border-top: solid $chat-accent; }
ChatView .prompt { width: 2; }
Composer, Composer:focus { height: auto; min-height: 1; max-height: 6; border: none; padding: 0; }
ChatView .status { height: 1; text-style: reverse; }
ChatView .hints { height: 1; }
ChatView .completions { display: none; height: auto; max-height: 8; border-left: solid $chat-accent; }
HelpScreen { align: center middle; }
HelpScreen VerticalScroll {
    width: 84; max-width: 100%; height: auto; max-height: 100%;
    border: round $chat-accent; background: $chat-background;
}
"""
