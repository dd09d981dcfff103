"""Slash commands of the full screen: those of the line mode, and some that need a screen."""

from __future__ import annotations

from typing import Final

from chatws_cli.screen.conversation_list import FILTERS
from chatws_cli.screen.themes import THEME_NAMES
from chatws_cli.text_ui.commands import COMMANDS as LINE_COMMANDS
from chatws_cli.text_ui.commands import SlashCommand

COMMANDS: Final[dict[str, SlashCommand]] = {
    **LINE_COMMANDS,
    "retry": SlashCommand("", "send failed messages again", "write"),
    "theme": SlashCommand("name", "choose the colours", "program", choices=THEME_NAMES),
    "transcript": SlashCommand("", "read the conversation in $PAGER", "read and search"),
    "search": SlashCommand("text", "find messages; n and N go to the next, Esc ends", "read and search"),
    "list": SlashCommand(
        "[filter]", "list them: open, mine, queue, all", "conversations", for_agents=True, choices=FILTERS
    ),
    "find": SlashCommand("[name]", "show only customers with that name", "conversations", for_agents=True),
    "leave": SlashCommand("", "leave this conversation", "conversations", for_agents=True),
}
