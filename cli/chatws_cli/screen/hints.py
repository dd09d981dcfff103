"""Footer of the full screen: the keys that are useful now, as many as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.presentation.sanitize import head, width
from chatws_cli.screen.keys import KEYS, readable

if TYPE_CHECKING:
    from chatws_cli.screen.state import ScreenState

_GAP = "  "


def hint_line(screen: ScreenState, chosen: dict[str, str], columns: int) -> str:
    """Return the hints that fit, by importance; ``chosen`` are the user's keys by id."""
    hints = [f"{_key('help', chosen)} help", "/ commands"]
    hints += [f"{_key(key_id, chosen)} {key_id}" for key_id in _useful(screen)]
    line = hints[0]
    for hint in hints[1:]:
        if width(line) + width(_GAP) + width(hint) <= columns:
            line += _GAP + hint
    return head(line, columns)


def _useful(screen: ScreenState) -> list[str]:
    """Return the ids, which are words, of the keys that change something in the present state, most important first."""
    useful: list[str] = []
    thread = screen.current
    if thread is not None and any(item.state == "failed" for item in thread.pending()):
        useful.append("retry")
    if screen.role == "admin" and thread is not None:
        conversation = thread.conversation
        if conversation.status == "resolved":
            useful.append("reopen")
        elif conversation.is_unclaimed:
            useful += ["claim", "resolve"]
        else:
            useful += ["resolve", "release"]
    if screen.role == "admin":
        useful += ["unread"] if screen.unread else []
    useful.append("quit")
    return [*useful, "list"] if screen.role == "admin" else useful


def _key(key_id: str, chosen: dict[str, str]) -> str:
    default = next(key.keys for key in KEYS if key.id == key_id)
    return readable(chosen.get(key_id, default).split(",", maxsplit=1)[0])
