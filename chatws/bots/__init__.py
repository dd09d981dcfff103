"""Bots that reply to customers until an agent takes over: the interface and the built-in implementations."""

from __future__ import annotations

from chatws.bots.echo import EchoBot
from chatws.bots.factory import KEY_VARIABLE, BotConfigError, make_bot
from chatws.bots.interface import Bot, BotError, BotRequest, FailureReason, HandOff
from chatws.bots.keyword_matcher import KeywordMatcher

__all__ = [
    "KEY_VARIABLE",
    "Bot",
    "BotConfigError",
    "BotError",
    "BotRequest",
    "EchoBot",
    "FailureReason",
    "HandOff",
    "KeywordMatcher",
    "make_bot",
]
