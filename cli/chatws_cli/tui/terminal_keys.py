"""Corrects a key sequence that Textual misinterprets."""

from __future__ import annotations

from typing import cast

from textual import _ansi_sequences
from textual.keys import Keys

_ALT_ENTER = "\x1b\r"


def register_alt_enter() -> None:
    """Map Alt+Enter, sent by terminals as Escape and Enter, to Ctrl+J, which inserts a new line.

    Textual (8.2) drops the Escape, and Enter would send a half-written message.
    """
    sequences = cast("dict[str, tuple[Keys, ...]]", _ansi_sequences.ANSI_SEQUENCES_KEYS)
    sequences[_ALT_ENTER] = (Keys.ControlJ,)
