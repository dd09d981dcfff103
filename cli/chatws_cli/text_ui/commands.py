"""Slash commands of the line mode: table, parser, help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from chatws.protocol.entities import PresenceChoice

Task = Literal["write", "conversations", "read and search", "you and the connection", "program"]
TASKS: Final[tuple[Task, ...]] = get_args(Task)
"""Sections of the help, in their order."""


class SlashCommand(NamedTuple):
    """Slash command: its argument for the help (empty: none), its summary, and the section of the help."""

    argument: str
    summary: str
    task: Task
    for_agents: bool = False
    choices: tuple[str, ...] = ()
    """Possible arguments, for completion."""


COMMANDS: dict[str, SlashCommand] = {
    "history": SlashCommand("", "show older messages", "read and search"),
    "read": SlashCommand("", "mark everything as read", "read and search"),
    "search": SlashCommand("text", "find messages in the history", "read and search"),
    "reply": SlashCommand("name", "use a canned reply", "write", for_agents=True),
    "note": SlashCommand("text", "add a note that only agents see", "write", for_agents=True),
    "list": SlashCommand("", "list conversations", "conversations", for_agents=True),
    "join": SlashCommand("N or ID", "go to another conversation", "conversations", for_agents=True),
    "claim": SlashCommand("", "claim this one; a first reply does it too", "conversations", for_agents=True),
    "release": SlashCommand("", "release it to the queue", "conversations", for_agents=True),
    "resolve": SlashCommand("", "resolve it; the customer's next message reopens it", "conversations", for_agents=True),
    "reopen": SlashCommand("", "reopen it into the queue", "conversations", for_agents=True),
    "handoff": SlashCommand("[why]", "hand it off from the bot to an agent", "conversations"),
    "bot": SlashCommand("", "assign it to the bot", "conversations", for_agents=True),
    "status": SlashCommand(
        "online, away or busy", "choose how others see you", "you and the connection", choices=get_args(PresenceChoice)
    ),
    "who": SlashCommand("", "show who is here", "you and the connection"),
    "reconnect": SlashCommand("", "connect now, do not wait", "you and the connection"),
    "drop": SlashCommand("[seconds]", "simulate an outage: cut the connection, for 5 s", "you and the connection"),
    "freeze": SlashCommand("[seconds]", "simulate a network that drops everything, for 5 s", "you and the connection"),
    "expire": SlashCommand("", "simulate an expired token or session", "you and the connection"),
    "help": SlashCommand("", "show this list", "program"),
    "quit": SlashCommand("", "quit (also Ctrl-D)", "program"),
}


class Typed(NamedTuple):
    """Parsed command line."""

    name: str
    argument: str


def parse(line: str, *, is_agent: bool, commands: Mapping[str, SlashCommand] = COMMANDS) -> Typed | str | None:
    """Parse a line: return a command, an error message for an unknown command, or None for a message.

    A message that starts with a slash is typed with two.
    """
    if not line.startswith("/") or line.startswith("//"):
        return None
    name, _, argument = line[1:].strip().partition(" ")
    if name not in commands_of(commands, is_agent=is_agent):
        return f"there is no /{name}; /help lists the commands, // begins a message with a slash"
    return Typed(name, argument.strip())


def message_of(line: str) -> str:
    """Return the message typed as a line."""
    return line[1:] if line.startswith("//") else line


def commands_of(commands: Mapping[str, SlashCommand], *, is_agent: bool) -> dict[str, SlashCommand]:
    """Return the commands available to a role."""
    return {name: command for name, command in commands.items() if is_agent or not command.for_agents}


def help_of(task: Task, *, is_agent: bool, commands: Mapping[str, SlashCommand] = COMMANDS) -> list[str]:
    """Return the help of the commands of one section."""
    return [
        f"  /{name} {command.argument}".ljust(28) + command.summary
        for name, command in commands_of(commands, is_agent=is_agent).items()
        if command.task == task
    ]


def help_lines(*, is_agent: bool, commands: Mapping[str, SlashCommand] = COMMANDS) -> list[str]:
    """Return the help of the commands available to a role, by section."""
    lines = []
    for task in TASKS:
        rows = help_of(task, is_agent=is_agent, commands=commands)
        lines += [f"{task}:", *rows] if rows else []
    return lines
