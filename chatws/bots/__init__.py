"""Who answers a customer until a human does: the port, and the bots that are built in."""

from __future__ import annotations

from chatws.bots.choice import KEY_VARIABLE, BadBot, make_bot
from chatws.bots.echo import EchoBot
from chatws.bots.phrases import Phrases
from chatws.bots.port import Bot, BotError, HandOff, Trouble, Turn

__all__ = [
    "KEY_VARIABLE",
    "BadBot",
    "Bot",
    "BotError",
    "EchoBot",
    "HandOff",
    "Phrases",
    "Trouble",
    "Turn",
    "make_bot",
]
