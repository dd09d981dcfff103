"""Who answers a customer until a human does: the port, and the bots that are built in."""

from __future__ import annotations

from chatws.bots.echo import EchoBot
from chatws.bots.port import Bot, BotError, Turn

__all__ = ["Bot", "BotError", "EchoBot", "Turn"]
