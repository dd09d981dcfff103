"""Completion of slash commands and their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chatws_cli.text_ui.commands import COMMANDS, SlashCommand, commands_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Completion(NamedTuple):
    """Possible continuation: the whole completed line, its label in a list, and what it does."""

    line: str
    label: str
    summary: str = ""


def completions(
    line: str,
    *,
    is_agent: bool,
    commands: Mapping[str, SlashCommand] = COMMANDS,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> list[Completion]:
    """Return the commands, or the arguments of the typed command, that a line may become.

    ``choices`` are arguments that are known only at run time, by command.
    """
    if not line.startswith("/") or line.startswith("//") or "\n" in line:
        return []
    available = commands_of(commands, is_agent=is_agent)
    name, has_argument, argument = line[1:].partition(" ")
    if not has_argument:
        return [
            Completion(f"/{each} " if command.argument else f"/{each}", f"/{each} {command.argument}", command.summary)
            for each, command in available.items()
            if each.startswith(name)
        ]
    if name not in available:
        return []
    values = (choices or {}).get(name, available[name].choices)
    return [Completion(f"/{name} {value}", value) for value in values if value.startswith(argument)]


def extend(line: str, found: Sequence[Completion]) -> str:
    """Return the line extended by what all completions share."""
    if not found:
        return line
    first, last = min(each.line for each in found), max(each.line for each in found)
    shared = next((place for place, character in enumerate(first) if last[place : place + 1] != character), len(first))
    return first[:shared] if shared > len(line) else line
