"""Text of the help page: keys and slash commands by task."""

from __future__ import annotations

from chatws_cli.screen.commands import COMMANDS
from chatws_cli.screen.keys import help_of as help_of_keys
from chatws_cli.text_ui.commands import TASKS
from chatws_cli.text_ui.commands import help_of as help_of_commands

_SIGNS = (
    "SIGNS",
    "  messages: … on the way   ✓ stored   ✓✓ read   ! refused",
    "  users:    ● online   ◐ away   ⊘ busy   ○ offline",
)


def help_page(chosen: dict[str, str], *, is_agent: bool) -> list[str]:
    """Return the rows of the page; ``chosen`` are the user's keys by id."""
    rows: list[str] = []
    for task in TASKS:
        rows += [
            task.upper(),
            *help_of_keys(task, chosen, is_agent=is_agent),
            *help_of_commands(task, is_agent=is_agent, commands=COMMANDS),
            "",
        ]
    return [*rows, *_SIGNS]
