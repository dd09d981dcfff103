"""Options shared by several commands, and the settings that follow from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chatws.command_numbers import require_finite
from chatws.exit_codes import ExitCode
from chatws.settings import Layer, Value
from chatws_cli.errors import CommandError
from chatws_cli.settings import help_of, load_settings

if TYPE_CHECKING:
    from chatws.settings import Settings

DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help=help_of("data_dir"))]
DatabaseUrl = Annotated[str | None, typer.Option(metavar="URL", help=help_of("database_url"))]

Url = Annotated[str, typer.Option(metavar="URL", help="Address of the server.", envvar="CHATWS_URL")]


def check_conversation_id(given: str | None) -> str | None:
    """Return the id of a conversation; None stays None.

    Raises:
        CommandError: it is not an id; exit code 2.
    """
    return _check_id(given, "conversation")


def check_user_id(given: str | None) -> str | None:
    """Return the id of a user; None stays None.

    Raises:
        CommandError: it is not an id; exit code 2.
    """
    return _check_id(given, "user")


def check_trace_target(given: str | None) -> str | None:
    """Return the id of a user or a conversation.

    Raises:
        CommandError: it is not an id; exit code 2.
    """
    return _check_id(given, "user or conversation")


def _check_id(given: str | None, owner: str) -> str | None:
    if given is None or re.fullmatch(r"[A-Za-z0-9_-]{1,64}", given):
        return given
    advice = "ids are 1-64 of A-Z a-z 0-9 _ -"
    raise CommandError(f"{given!r} is not the id of a {owner}", advice=advice, code=ExitCode.USAGE)


ConversationId = Annotated[
    str | None,
    typer.Option("--conversation", "-c", metavar="ID", help="Conversation to join.", callback=check_conversation_id),
]
Plain = Annotated[bool, typer.Option("--plain", help="Line mode: lines of text, even on a terminal.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for output and input.")]
Wait = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0, callback=require_finite, help="Time to keep receiving after the end of the input."
    ),
]
History = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=100, help="Messages shown at the start; default 20, with --json none."),
]
CaFile = Annotated[Path | None, typer.Option(metavar="FILE", help="CA certificates to trust instead of the system's.")]
ThemeChoice = Annotated[
    Literal["terminal", "dark", "light", "high-contrast"] | None,
    typer.Option("--theme", help="Colours of the full screen.", envvar="CHATWS_THEME"),
]
NotifyChoice = Annotated[
    Literal["bell", "osc9", "osc777", "off"] | None,
    typer.Option("--notify", help="Notification of messages out of sight.", envvar="CHATWS_NOTIFY"),
]
TransportChoice = Annotated[Literal["auto", "websocket", "polling"], typer.Option(help="Transport to use.")]


def data_dir_settings(data_dir: Path | None) -> Settings:
    """Return the settings, with the data directory of the option.

    Raises:
        CommandError: a setting is wrong; exit code 2.
    """
    return database_settings(data_dir, None)


def database_settings(data_dir: Path | None, database_url: str | None) -> Settings:
    """Return the settings, with the values of the two options.

    Raises:
        CommandError: a setting is wrong; exit code 2.
    """
    given = {"data_dir": data_dir, "database_url": database_url}
    layer: Layer = {
        name: Value(str(value), f"option --{name.replace('_', '-')}")
        for name, value in given.items()
        if value is not None
    }
    return load_settings(layer).settings
