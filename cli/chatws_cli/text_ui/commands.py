"""Slash commands of the line mode: table, parser, help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class SlashCommand(NamedTuple):
    """Slash command: its argument for the help (empty: none) and its summary."""

    argument: str
    summary: str
    for_agents: bool = False


COMMANDS: dict[str, SlashCommand] = {
    "list": SlashCommand("", "list conversations", for_agents=True),
    "join": SlashCommand("N or ID", "go to another conversation", for_agents=True),
    "claim": SlashCommand("", "claim this conversation; your first reply does it too", for_agents=True),
    "release": SlashCommand("", "release it to the queue", for_agents=True),
    "resolve": SlashCommand("", "resolve it; a message of the customer reopens it", for_agents=True),
    "reopen": SlashCommand("", "reopen it into the queue", for_agents=True),
    "handoff": SlashCommand("[why]", "hand it from the bot to an agent"),
    "bot": SlashCommand("", "hand it to the bot", for_agents=True),
    "history": SlashCommand("", "show older messages"),
    "read": SlashCommand("", "mark everything as read"),
    "status": SlashCommand("online, away or busy", "choose how others see you"),
    "who": SlashCommand("", "show who is here"),
    "reconnect": SlashCommand("", "connect now, do not wait"),
    "drop": SlashCommand("[seconds]", "simulate an outage: cut the connection for that long, 5 by default"),
    "freeze": SlashCommand("[seconds]", "simulate a network that drops everything, 5 by default"),
    "expire": SlashCommand("", "simulate an expired token or session"),
    "quit": SlashCommand("", "quit (also Ctrl-D)"),
    "help": SlashCommand("", "show this list"),
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
    known = commands.get(name)
    if known is None or (known.for_agents and not is_agent):
        return f"there is no /{name}; /help lists the commands, // begins a message with a slash"
    return Typed(name, argument.strip())


def message_of(line: str) -> str:
    """Return the message typed as a line."""
    return line[1:] if line.startswith("//") else line


def help_lines(*, is_agent: bool, commands: Mapping[str, SlashCommand] = COMMANDS) -> list[str]:
    """Return the help of the commands available to a role."""
    return [
        f"/{name} {command.argument}".ljust(34) + command.summary
        for name, command in commands.items()
        if is_agent or not command.for_agents
    ]
