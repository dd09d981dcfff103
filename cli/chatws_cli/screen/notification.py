"""Desktop notifications of terminals: a bell, or an escape sequence with a text."""

from __future__ import annotations

from typing import Literal

NotificationKind = Literal["bell", "osc9", "osc777", "off"]

_TITLE = "chatws"
_ESCAPE = "\x1b"


def notification(kind: NotificationKind, text: str, *, in_tmux: bool) -> str:
    """Return what to write to the terminal; ``text`` holds no control characters.

    OSC 9 is ``ESC ] 9 ; TEXT BEL`` (iTerm2, WezTerm, kitty, Windows Terminal), OSC 777 is
    ``ESC ] 777 ; notify ; TITLE ; TEXT BEL`` (rxvt-unicode, foot, Ghostty). tmux passes such a sequence on only if it
    is wrapped, and if its option ``allow-passthrough`` is on; it handles bells itself.
    """
    if kind in {"off", "bell"}:
        return "\a" if kind == "bell" else ""
    sequence = f"\x1b]9;{text}\a" if kind == "osc9" else f"\x1b]777;notify;{_TITLE};{text}\a"
    return f"\x1bPtmux;{sequence.replace(_ESCAPE, _ESCAPE * 2)}\x1b\\" if in_tmux else sequence
