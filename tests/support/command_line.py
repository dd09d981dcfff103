"""Parser for ``chatws`` command lines that are quoted in files."""

from __future__ import annotations

from collections.abc import Sequence

import typer.main

from chatws_cli.main import app


def parse_command(words: Sequence[str]) -> None:
    """Parse the words after ``chatws`` without running the command.

    Raises:
        AssertionError: there is no such command.
        UsageError: the command has no such option or argument.
    """
    command, context = typer.main.get_command(app), None
    arguments = list(words)
    while hasattr(command, "get_command"):
        context = typer.Context(command, parent=context)
        found = command.get_command(context, arguments.pop(0))
        assert found is not None, words
        command = found
    command.make_parser(typer.Context(command, parent=context, **command.context_settings)).parse_args(arguments)
