"""Reads secrets from files and variables, never from the command line, which all users of the machine can read."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path


def find_secret(file: Path | None, variable: str) -> str | None:
    """Return the secret in ``file`` (``-``: the first line of standard input), else in the variable, else None.

    Raises:
        CommandError: the file is missing, unreadable or empty, or the variable is not text; exit code 2.
    """
    if file is None:
        given = os.environ.get(variable, "").strip() or None
        if given is not None and not given.isprintable():
            raise CommandError(f"{variable} is not text", advice="set it to the secret alone", code=ExitCode.USAGE)
        return given
    secret = _read_first_line() if str(file) == "-" else read_secret(file)
    if not secret:
        raise CommandError(f"{file} is empty", advice="write the secret into it", code=ExitCode.USAGE)
    return secret


def read_secret(file: Path) -> str:
    """Return the content of a file, without surrounding white space.

    Raises:
        CommandError: it cannot be read; exit code 2.
    """
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not text"
        raise CommandError(f"{file} cannot be read", reason or str(problem), code=ExitCode.USAGE) from problem


def _read_first_line() -> str:
    # Unbuffered, so that the following lines stay in the pipe for the chat.
    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as source:
        return source.readline().decode("utf-8", "replace").strip()


def prompt_secret(prompt: str, *, twice: bool = False) -> str:
    """Prompt for a secret; the terminal does not echo it."""
    import typer

    try:
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))
    except typer.Abort:
        # Ctrl-C; Typer itself would exit with code 1.
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def write_secret(file: Path, secret: str) -> None:
    """Write a secret atomically, readable for this user only.

    Raises:
        CommandError: the file cannot be written; exit code 1.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(f"{secret}\n")
        temporary.replace(file)
    except OSError as problem:
        advice = "choose a writable directory with --data-dir"
        raise CommandError(f"{file} cannot be written", problem.strerror or str(problem), advice) from problem
