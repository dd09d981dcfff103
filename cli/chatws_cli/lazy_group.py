"""The command tree: a command's module is imported when that command is asked for, so the others cost nothing."""

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
    "top": "top",
    "config": "config",
    "proxy-config": "proxy_config",
    "loadtest": "loadtest",
    "check": "check",
    "doctor": "doctor",
    "completion": "completion",
}
"""Command → module of ``chatws_cli.commands`` that holds its ``app``; help lists them in this order."""


def make_app(summary: str | None = None) -> typer.Typer:
    """Make the app of one module: a group if ``summary`` says what its commands have in common."""
    app = typer.Typer(no_args_is_help=summary is not None, add_completion=False, rich_markup_mode=None)
    if summary is not None:
        # With a callback Typer keeps a group of one command a group.
        app.callback(help=summary)(lambda: None)
    return app


class LazyGroup(TyperGroup):
    """The top of the command tree."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  Typer passes whatever its own class takes
        super().__init__(**attributes)
        # Names are enough for help's order and for "did you mean"; get_command brings the real ones.
        self.commands.update({name: TyperCommand(name) for name in MODULES})

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Command | None:  # type: ignore[override]  # Typer's public Context is narrower than the one it is declared with
        """Import the command that was asked for."""
        if cmd_name not in MODULES:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"chatws_cli.commands.{MODULES[cmd_name]}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command
