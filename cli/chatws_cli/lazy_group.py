"""Command tree that imports the module of a command only when the command is run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click.core import Command

MODULES: Final = {
    "serve": "serve",
    "agent": "agent",
    "customer": "customer",
    "send": "send",
    "tail": "tail",
    "demo": "demo",
    "token": "tokens",
    "session": "sessions",
    "user": "users",
    "db": "database",
    "export": "export",
    "grep": "grep",
    "top": "top",
    "connections": "connections",
    "kick": "kick",
    "trace": "trace",
    "webhook": "webhook",
    "config": "config",
    "proxy-config": "proxy_config",
    "loadtest": "loadtest",
    "run": "run",
    "check": "check",
    "check-client": "check_client",
    "tap": "tap",
    "record": "record",
    "replay": "replay",
    "timeline": "timeline",
    "simulate": "simulate",
    "doctor": "doctor",
    "completion": "completion",
    "help": "help",
    "version": "version",
}
"""Command → module of ``chatws_cli.commands`` that holds its ``app``; help lists them in this order."""


def make_app(summary: str | None = None) -> typer.Typer:
    """Create the app of one module: a command, or with a ``summary`` a group of commands."""
    app = typer.Typer(no_args_is_help=summary is not None, add_completion=False, rich_markup_mode=None)
    if summary is not None:
        # Without a callback, Typer turns a group with one command into that command.
        app.callback(help=summary)(lambda: None)
    return app


class LazyGroup(TyperGroup):
    """Root of the command tree."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  Typer passes whatever its own class takes
        super().__init__(**attributes)
        # Help and "did you mean" need the names only; get_command imports the commands.
        self.commands.update({name: TyperCommand(name) for name in MODULES})

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Command | None:  # type: ignore[override]  # Typer's public Context is narrower than the one it is declared with
        """Import and return a command."""
        if cmd_name not in MODULES:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"chatws_cli.commands.{MODULES[cmd_name]}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command
