"""Styles in the sixteen colours of the terminal, so that they follow the user's theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.style import Style

if TYPE_CHECKING:
    from chatws_cli.screen.layout import StyleName

STYLES: Final[dict[StyleName, Style]] = {
    "time": Style(dim=True),
    "mark": Style(dim=True),
    "own": Style(color="cyan", bold=True),
    "admin": Style(color="magenta", bold=True),
    "customer": Style(color="green", bold=True),
    "bot": Style(color="blue", bold=True),
    "text": Style(),
    "note": Style(color="yellow", italic=True),
    "notice": Style(dim=True, italic=True),
    "problem": Style(color="red", bold=True),
    "rule": Style(dim=True),
    "new": Style(color="red", bold=True),
}
MARKED: Final = Style(reverse=True)
FOUND: Final = Style(color="black", bgcolor="yellow", bold=True, underline=True, reverse=False)

CSS: Final = """
* {
    scrollbar-background: ansi_default; scrollbar-background-hover: ansi_default;
    scrollbar-background-active: ansi_default; scrollbar-color: ansi_bright_black;
    scrollbar-color-hover: ansi_bright_black; scrollbar-color-active: ansi_cyan;
}
Screen, ChatView, MessageList, ConversationListView, Composer, Static { background: ansi_default; color: ansi_default; }
ChatView { width: 1fr; height: 1fr; }
ChatView.-second { border-left: solid ansi_bright_black; }
ChatView .middle { height: 1fr; }
ChatView .conversation { width: 1fr; }
MessageList { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: scroll; }
ConversationListView {
    width: 26; height: 1fr; border-right: solid ansi_bright_black; scrollbar-size-vertical: 0; overflow-x: hidden;
}
ChatView.-narrow ConversationListView { width: 1fr; border-right: none; }
ChatView.-narrow.-listed .conversation { display: none; }
ChatView.-unlisted ConversationListView { display: none; }
ChatView .typing { height: 1; text-style: italic; }
ChatView .composer { height: auto; max-height: 6; border-top: solid ansi_bright_black; }
ChatView:focus-within .composer { border-top: solid ansi_cyan; }
ChatView .prompt { width: 2; }
Composer, Composer:focus { height: auto; min-height: 1; max-height: 6; border: none; padding: 0; }
ChatView .status { height: 1; text-style: reverse; }
ChatView .hints { height: 1; }
ChatView .completions { display: none; height: auto; max-height: 8; border-left: solid ansi_cyan; }
HelpScreen { align: center middle; }
HelpScreen VerticalScroll {
    width: 84; max-width: 100%; height: auto; max-height: 100%; border: round ansi_cyan; background: ansi_default;
}
"""
