"""Validation and normalization of message contents, user names and mail addresses."""

from __future__ import annotations

import re

from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.limits import MAX_CONTENT_BYTES, MAX_CONTENT_CHARS

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""C0 except tab and line feed, DEL, C1, and lone surrogates."""

_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+")
"""Only what distinguishes an address from other text: whether it works, only a message to it can show."""


def normalise_content(content: str) -> str:
    """Replace CRLF and CR by LF and validate; the result is stored unchanged and escaped where it is displayed.

    Raises:
        ChatError: ``too_large`` over 4,000 code points or 16 KiB, ``bad_request`` for white space only or a control
            character.
    """
    text = content.replace("\r\n", "\n").replace("\r", "\n") if "\r" in content else content
    if len(text) > MAX_CONTENT_CHARS:
        raise ChatError(ErrorCode.TOO_LARGE, f"A message has at most {MAX_CONTENT_CHARS} characters.")
    if _FORBIDDEN.search(text):
        raise ChatError(ErrorCode.BAD_REQUEST, "A message must not contain control characters.")
    if not text.strip():
        raise ChatError(ErrorCode.BAD_REQUEST, "A message must not be empty.")
    if not text.isascii() and len(text.encode()) > MAX_CONTENT_BYTES:
        raise ChatError(ErrorCode.TOO_LARGE, f"A message has at most {MAX_CONTENT_BYTES} bytes.")
    return text


def fit_content(text: str) -> str:
    """Convert generated text to a valid message: LF line ends, no control characters, trimmed, truncated.

    The result is empty if no text is left.
    """
    plain = _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return plain.strip()[:MAX_CONTENT_CHARS].rstrip()


def normalise_name(name: str) -> str:
    """Trim and validate a user name.

    Raises:
        ChatError: ``bad_request`` if the name is empty or contains a control character or a line end.
    """
    text = name.strip()
    if not text or "\n" in text or "\t" in text or _FORBIDDEN.search(text):
        raise ChatError(ErrorCode.BAD_REQUEST, "A name must be one line of visible characters.")
    return text


def normalise_email(email: str) -> str:
    """Trim and validate a mail address.

    Raises:
        ChatError: ``bad_request`` if it is none, or contains a control character.
    """
    text = email.strip()
    if not _EMAIL.fullmatch(text) or _FORBIDDEN.search(text):
        raise ChatError(ErrorCode.BAD_REQUEST, "This is not a mail address.")
    return text
