"""What people type after a slash in the full screen: the line mode's commands and a few that need a screen."""

from __future__ import annotations

from typing import Final

from chatws_cli.line.slash import COMMANDS as LINE_COMMANDS
from chatws_cli.line.slash import Slash

COMMANDS: Final[dict[str, Slash]] = {
    **LINE_COMMANDS,
    "list": Slash("[open, mine, queue or all]", "choose what the list shows", for_agents=True),
    "find": Slash("[name]", "show only customers of that name", for_agents=True),
    "leave": Slash("", "leave this conversation", for_agents=True),
    "retry": Slash("", "send again what failed"),
    "transcript": Slash("", "read the conversation in $PAGER"),
}
