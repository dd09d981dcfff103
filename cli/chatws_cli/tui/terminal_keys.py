"""Teaches Textual a key that it takes for another one."""

from __future__ import annotations

from typing import cast

from textual import _ansi_sequences
from textual.keys import Keys

_ALT_ENTER = "\x1b\r"


def register_alt_enter() -> None:
    """Let Alt+Enter mean Ctrl+J, a new line, where a terminal sends it as Escape and Enter.

    Textual (8.2) drops the Escape, and Enter would send a half-written message.
    """
    sequences = cast("dict[str, tuple[Keys, ...]]", _ansi_sequences.ANSI_SEQUENCES_KEYS)
    sequences[_ALT_ENTER] = (Keys.ControlJ,)
