"""Bot that calls a webhook."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chatws.bots import BotError, FailureReason, HandOff
from chatws.bots.http_bot import HttpBotClient
from chatws.bots.webhook import WebhookBot
from tests.bots.service import FakeBotService, answer, event_bytes, make_message, make_request, pieces_of, stream


@pytest.fixture
async def bot(service: FakeBotService) -> AsyncIterator[WebhookBot]:
    bot = WebhookBot(HttpBotClient(f"{service.url}/answers", "shared secret"))
    yield bot
    await bot.close()


async def test_webhook_receives_the_conversation_in_protocol_format(service: FakeBotService, bot: WebhookBot) -> None:
    service.script = answer(200, {"reply": "hello"})
    assert await pieces_of(bot, make_request("hi", make_message("before", "bot"))) == ["hello"]
    assert service.paths == ["/answers"]
    assert service.headers[0]["Authorization"] == "Bearer shared secret"
    (body,) = service.bodies
    assert (body["conversationId"], body["message"]["content"], body["message"]["seq"]) == ("conv-1", "hi", 2)
    assert [(message["sender"]["role"], message["content"]) for message in body["history"]] == [("bot", "before")]


async def test_reply_may_come_in_pieces(service: FakeBotService, bot: WebhookBot) -> None:
    service.script = stream(event_bytes({"reply": "one "}), b": wait\n\n", event_bytes({"reply": "two"}))
    assert await pieces_of(bot, make_request("hi")) == ["one ", "two"]
    service.script = stream(event_bytes({"reply": "one"}), b"data: [DONE]\n\n", event_bytes({"reply": "late"}))
    assert await pieces_of(bot, make_request("hi")) == ["one"]


async def test_webhook_hands_off_with_a_reason(service: FakeBotService, bot: WebhookBot) -> None:
    service.script = answer(200, {"reply": "One moment.", "handoff": True, "reason": "a refund"})
    assert await pieces_of(bot, make_request("hi")) == ["One moment.", HandOff("a refund")]
    service.script = stream(event_bytes({"reply": "Bye."}), event_bytes({"handoff": True}))
    assert (await pieces_of(bot, make_request("hi")))[0] == "Bye."


async def test_empty_response_yields_no_text(service: FakeBotService, bot: WebhookBot) -> None:
    service.script = answer(200, "")
    assert await pieces_of(bot, make_request("hi")) == []


@pytest.mark.parametrize("body", ["[]", '{"reply": 7}', '"text"', "\ufeff"])
async def test_invalid_response_is_unreadable(service: FakeBotService, bot: WebhookBot, body: str) -> None:
    service.script = answer(200, body)
    with pytest.raises(BotError) as caught:
        await pieces_of(bot, make_request("hi"))
    assert caught.value.reason is FailureReason.UNREADABLE
