"""Exceptions that a check raises if the server does not pass it."""

from __future__ import annotations


class CheckFailed(Exception):
    """The server misbehaves; the text gives the reason."""


class NotOffered(Exception):
    """The server lacks the feature, and the guide does not require it."""


class NotJudged(Exception):
    """The command lacks an option that the check needs; the text names it."""
