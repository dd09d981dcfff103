"""The bot behind an address of the operator's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chatws.bots import BotError, FailureReason, HandOff
from chatws.bots.http_bot import HttpBotClient
from chatws.bots.webhook import WebhookBot
from tests.bots.service import Service, answer, ask_about, event_bytes, pieces_of, said, stream


@pytest.fixture
async def bot(service: Service) -> AsyncIterator[WebhookBot]:
    bot = WebhookBot(HttpBotClient(f"{service.url}/answers", "shared secret"))
    yield bot
    await bot.close()


async def test_address_gets_the_conversation_in_the_shape_of_the_contract(service: Service, bot: WebhookBot) -> None:
    service.script = answer(200, {"reply": "hello"})
    assert await pieces_of(bot, ask_about("hi", said("before", "bot"))) == ["hello"]
    assert service.paths == ["/answers"]
    assert service.headers[0]["Authorization"] == "Bearer shared secret"
    (body,) = service.bodies
    assert (body["conversationId"], body["message"]["content"], body["message"]["seq"]) == ("conv-1", "hi", 2)
    assert [(message["sender"]["role"], message["content"]) for message in body["history"]] == [("bot", "before")]


async def test_reply_may_come_in_pieces(service: Service, bot: WebhookBot) -> None:
    service.script = stream(event_bytes({"reply": "one "}), b": wait\n\n", event_bytes({"reply": "two"}))
    assert await pieces_of(bot, ask_about("hi")) == ["one ", "two"]
    service.script = stream(event_bytes({"reply": "one"}), b"data: [DONE]\n\n", event_bytes({"reply": "late"}))
    assert await pieces_of(bot, ask_about("hi")) == ["one"]


async def test_address_hands_off_with_a_reason(service: Service, bot: WebhookBot) -> None:
    service.script = answer(200, {"reply": "One moment.", "handoff": True, "reason": "a refund"})
    assert await pieces_of(bot, ask_about("hi")) == ["One moment.", HandOff("a refund")]
    service.script = stream(event_bytes({"reply": "Bye."}), event_bytes({"handoff": True}))
    assert (await pieces_of(bot, ask_about("hi")))[0] == "Bye."


async def test_address_that_says_nothing_says_nothing(service: Service, bot: WebhookBot) -> None:
    service.script = answer(200, "")
    assert await pieces_of(bot, ask_about("hi")) == []


@pytest.mark.parametrize("body", ["[]", '{"reply": 7}', '"text"', "\ufeff"])
async def test_anything_else_is_unreadable(service: Service, bot: WebhookBot, body: str) -> None:
    service.script = answer(200, body)
    with pytest.raises(BotError) as caught:
        await pieces_of(bot, ask_about("hi"))
    assert caught.value.trouble is FailureReason.UNREADABLE
