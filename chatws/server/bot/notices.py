"""Tells agents and operators what becomes of the bot's work: ``bot_notice`` to every inbox, and the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from msgspec import UNSET

from chatws.bots import BotError
from chatws.logging import RateLimitedLogger
from chatws.protocol.events import BotNotice
from chatws.protocol.ids import format_timestamp
from chatws.server.conversations.inbox import EVERY_INBOX

if TYPE_CHECKING:
    from chatws.server.services import Services

_log = logging.getLogger("chatws.bot")


class BotNotices:
    """Speaks of one bot."""

    def __init__(self, services: Services, bot: str) -> None:
        self._services = services
        self._bot = bot
        self._lines = RateLimitedLogger(_log, services.clock.monotonic)

    def failed(self, conversation_id: str, problem: Exception) -> None:
        """The bot had no answer."""
        match problem:
            case BotError():
                reason = problem.trouble.value
            case TimeoutError():
                reason = "timeout"
            case _:
                reason = "crashed"
                self._lines.write(logging.ERROR, "bot_crashed", "crash", problem=problem)
        tell_inboxes(self._services, conversation_id, "failed", reason)
        self._warn(conversation_id, reason, str(problem))

    def overrun(self, conversation_id: str) -> None:
        """A question was left to the agents, because too many wait."""
        self._services.metrics.bot_answers["failed"].inc()
        tell_inboxes(self._services, conversation_id, "failed", "overrun")
        self._warn(conversation_id, "overrun", "")

    def handed_off(self, conversation_id: str, reason: str) -> None:
        """A conversation left the bot."""
        self._services.metrics.bot_answers["handed_off"].inc()
        tell_inboxes(self._services, conversation_id, "handed_off", reason)

    def _warn(self, conversation_id: str, reason: str, detail: str) -> None:
        self._lines.write(
            logging.WARNING,
            "bot_failed",
            "failure",
            bot=self._bot,
            conversationId=conversation_id,
            reason=reason,
            detail=detail,
        )


def tell_inboxes(
    services: Services, conversation_id: str, kind: Literal["failed", "handed_off"], reason: str | None = None
) -> None:
    """Emit the notice to every agent who follows an inbox."""
    notice = BotNotice(
        conversation_id=conversation_id,
        kind=kind,
        timestamp=format_timestamp(services.clock.now_ms()),
        reason=reason or UNSET,
    )
    services.namespace.to(EVERY_INBOX).emit("bot_notice", notice)
    services.cluster.tell_inboxes(notice)
