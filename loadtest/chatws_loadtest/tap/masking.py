"""Masks: pseudonyms for ids, and contents without secrets."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final
from urllib.parse import urlsplit

import msgspec

MAX_PSEUDONYMS: Final = 100_000
MAX_CONTENT_CHARS: Final = 2000
MASK: Final = "***"
_SECRET_NAMES: Final = re.compile(
    r"token|session|secret|passw|authori[sz]ation|cookie|credential|api.?key|\bsid\b|^pid$|^auth$|jwt|nonce|signature",
    re.IGNORECASE,
)
_SECRET_VALUES: Final = re.compile(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|(?i:bearer)\s+\S+")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,47}")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{21,}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class BoundedPseudonyms:
    """Numbered names of one kind of id, such as ``r1`` for a room; with contents shown, the ids themselves.

    The oldest ids are forgotten; such an id gets a new number if it returns.
    """

    def __init__(self, letter: str, *, shows_ids: bool, limit: int = MAX_PSEUDONYMS) -> None:
        self._letter = letter
        self._shows_ids = shows_ids
        self._limit = limit
        self._names: OrderedDict[object, str] = OrderedDict()
        self._count = 0

    def name(self, identity: object) -> str:
        """Return the pseudonym of an id, which is empty for an empty id."""
        if identity in {None, ""}:
            return ""
        if self._shows_ids and isinstance(identity, str | int):
            return clean(str(identity))
        known = self._names.get(identity)
        if known is None:
            self._count += 1
            known = self._names[identity] = f"{self._letter}{self._count}"
            if len(self._names) > self._limit:
                self._names.popitem(last=False)
        return known

    def next(self) -> str:
        """Return a pseudonym of its own for something that has no id."""
        self._count += 1
        return f"{self._letter}{self._count}"


def clean(text: str, limit: int = 128) -> str:
    """Remove characters that would control a terminal, and cut a long text."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def reveal(value: object) -> str:
    """Return JSON of a content without secrets: values of fields such as ``token``, and texts that look like one."""
    text = msgspec.json.encode(_without_secrets(value)).decode()
    return clean(text, MAX_CONTENT_CHARS)


def mask_reason(text: str, *, with_content: bool) -> str:
    """Return an error's code or short reason; another text is replaced by its length, unless contents are shown."""
    if with_content:
        return clean(_SECRET_VALUES.sub(MASK, _LONG_WORD.sub(MASK, text)))
    if _CODE.fullmatch(text) and not _LONG_WORD.search(text):
        return text
    return f"(text of {len(text)} characters)" if text else ""


def mask_path(path: str, *, with_content: bool) -> str:
    """Return a path without ids: its first two segments."""
    if with_content:
        return clean(_SECRET_VALUES.sub(MASK, _LONG_WORD.sub(MASK, path)))
    segments = path.split("/")
    short = "/".join(segments[:3]) + ("/…" if len(segments) > 3 else "")  # noqa: PLR2004 - the first is empty
    return clean(_LONG_WORD.sub(MASK, short))


def mask_url(url: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: MASK if _SECRET_NAMES.search(str(name)) else _without_secrets(inner) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    if isinstance(value, str):
        return _SECRET_VALUES.sub(MASK, value)
    return value
