"""Command line that the generators share: write a file, or check with ``--check`` that it is current."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_or_check(file: Path, text: str, command: str, arguments: Sequence[str]) -> int:
    """Write the text to the file; with ``--check`` only compare them, and return 1 if they differ."""
    if "--check" not in arguments:
        file.write_text(text, encoding="utf-8")
        return 0
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{file.name} is not current; run: {command}\n")
    return 1
