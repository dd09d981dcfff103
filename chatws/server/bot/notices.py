"""Notices about the bot: ``bot_notice`` for the inboxes, log lines for the operator."""

from __future__ import annotations

import logging
from typing import Literal

from msgspec import UNSET

from chatws.bots import BotError
from chatws.logging import RateLimitedLogger
from chatws.protocol.events import BotNotice
from chatws.protocol.ids import format_timestamp
from chatws.server.clock import Clock
from chatws.server.conversations.inbox import Inbox
from chatws.server.metrics import Metrics

_log = logging.getLogger("chatws.bot")


class BotNotices:
    """Sends, logs and counts the failures and hand-offs of one bot."""

    def __init__(self, bot_name: str, inbox: Inbox, metrics: Metrics, clock: Clock) -> None:
        self._bot_name = bot_name
        self._inbox = inbox
        self._metrics = metrics
        self._clock = clock
        self._logger = RateLimitedLogger(_log, clock.monotonic)

    def failed(self, conversation_id: str, problem: Exception) -> None:
        """Report that the bot failed to answer."""
        match problem:
            case BotError():
                reason = problem.reason.value
            case TimeoutError():
                reason = "timeout"
            case _:
                reason = "crashed"
                self._logger.write(logging.ERROR, "bot_crashed", "crash", problem=problem)
        self._send(conversation_id, "failed", reason)
        self._warn(conversation_id, reason, str(problem))

    def overrun(self, conversation_id: str) -> None:
        """Report a question that the bot does not answer because too many others wait."""
        self._metrics.bot_answers["failed"].inc()
        self._send(conversation_id, "failed", "overrun")
        self._warn(conversation_id, "overrun", "")

    def handed_off(self, conversation_id: str, reason: str) -> None:
        """Report a conversation that the bot has handed off."""
        self._metrics.bot_answers["handed_off"].inc()
        self._send(conversation_id, "handed_off", reason)

    def _send(self, conversation_id: str, kind: Literal["failed", "handed_off"], reason: str) -> None:
        self._inbox.send_notice(make_notice(self._clock, conversation_id, kind, reason))

    def _warn(self, conversation_id: str, reason: str, detail: str) -> None:
        self._logger.write(
            logging.WARNING,
            "bot_failed",
            "failure",
            bot=self._bot_name,
            conversationId=conversation_id,
            reason=reason,
            detail=detail,
        )


def make_notice(clock: Clock, conversation_id: str, kind: Literal["failed", "handed_off"], reason: str) -> BotNotice:
    """Create the payload of a ``bot_notice``; an empty reason is left out."""
    timestamp = format_timestamp(clock.now_ms())
    return BotNotice(conversation_id=conversation_id, kind=kind, timestamp=timestamp, reason=reason or UNSET)
