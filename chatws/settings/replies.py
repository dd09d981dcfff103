"""Files of canned replies: TOML with a name and a text in each line, ``greeting = "Hello, {customer}!"``."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "replies.toml"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BadReplies(Exception):
    """The file is not TOML with texts, or cannot be read."""


def read_replies(file: Path) -> dict[str, str]:
    """Return the texts by name; none without a file.

    Raises:
        BadReplies: the file cannot be used.
    """
    try:
        replies = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadReplies(f"{file}: {problem}") from problem
    for name, text in replies.items():
        if not _NAME.fullmatch(name) or not isinstance(text, str) or not text.strip():
            raise BadReplies(f'{file}: {name!r} is not of the form name = "text"')
    return replies
