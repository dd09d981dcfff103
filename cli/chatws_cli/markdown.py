"""Conversations as Markdown (CommonMark), with the text of messages escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chatws_cli.presentation.sanitize import clean, clean_line

if TYPE_CHECKING:
    from chatws.protocol.entities import Message

_SPECIAL = re.compile(r"([\\`*_\[\]<>#&~|])")
_LINE_START = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def heading(conversation_id: str) -> str:
    """Return the heading of a conversation."""
    return f"## Conversation {_escape(conversation_id)}\n"


def paragraph(message: Message) -> str:
    """Return a message: sender, time, and its lines as a quotation."""
    lines = "\\\n> ".join(_escape_line(line) for line in clean(message.content).split("\n"))
    name = _escape(clean_line(message.sender.user_name))
    return f"**{name}** ({message.sender.role}), {message.timestamp}\n\n> {lines}\n"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _escape_line(line: str) -> str:
    start = _LINE_START.match(line)
    if start is None:
        return _escape(line.strip())
    # A digit cannot be escaped, the dot after it can.
    rest = line[start.end() :]
    return f"\\{start[2]}{_escape(rest)}" if not start[2].isdigit() else f"{start[2]}\\{_escape(rest)}"
