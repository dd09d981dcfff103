"""What people type after a slash in the full screen: the line mode's commands and a few that need a screen."""

from __future__ import annotations

from typing import Final

from chatws_cli.text_ui.commands import COMMANDS as LINE_COMMANDS
from chatws_cli.text_ui.commands import SlashCommand

COMMANDS: Final[dict[str, SlashCommand]] = {
    **LINE_COMMANDS,
    "list": SlashCommand("[open, mine, queue or all]", "choose what the list shows", for_agents=True),
    "find": SlashCommand("[name]", "show only customers of that name", for_agents=True),
    "leave": SlashCommand("", "leave this conversation", for_agents=True),
    "retry": SlashCommand("", "send again what failed"),
    "transcript": SlashCommand("", "read the conversation in $PAGER"),
}
