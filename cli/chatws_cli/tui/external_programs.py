"""Runs the user's pager and editor in the same terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from textual.app import App

_VARIABLES = {"pager": ("PAGER",), "editor": ("VISUAL", "EDITOR")}
_FALLBACKS = {"pager": ("less", "more"), "editor": ("nano", "vi")}


def find_program(kind: str) -> list[str] | None:
    """Return the command of the user's ``pager`` or ``editor``; None without any."""
    for variable in _VARIABLES[kind]:
        if command := shlex.split(os.environ.get(variable, "")):
            return command
    return next(([name] for name in _FALLBACKS[kind] if shutil.which(name)), None)


async def run_program(app: App[int], kind: str, text: str) -> str | None:
    """Run a program on ``text``, in a file only this user can read, and return the resulting content.

    The connection stays open meanwhile. Returns None if there is no such program, or it failed.
    """
    command = find_program(kind)
    if command is None:
        return None
    with tempfile.TemporaryDirectory(prefix="chatws-") as directory:
        file = Path(directory) / "message.txt"
        file.write_text(text, encoding="utf-8")
        with contextlib.suppress(SuspendNotSupported, OSError, UnicodeDecodeError):
            with app.suspend(), app.batch_update():
                child = await asyncio.create_subprocess_exec(*command, str(file))
                code = await child.wait()
            return file.read_text(encoding="utf-8") if code == 0 else None
    return None
