"""Who answers a customer until a human does: the port, and the bots that are built in."""

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
