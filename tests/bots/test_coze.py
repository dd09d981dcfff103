"""Coze bot, with streams in the format of the real API v3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatws.bots import BotError, FailureReason, HandOff
from chatws.bots.coze import CozeBot
from chatws.bots.http_bot import HttpBotClient
from tests.bots.service import (
    FakeBotService,
    Script,
    answer,
    event_bytes,
    make_message,
    make_request,
    pieces_of,
    stream,
    text_of,
)

IDS = {"conversation_id": "7507", "bot_id": "7497", "chat_id": "75071", "section_id": "7507"}


def chat(status: str, code: int = 0, text: str = "") -> bytes:
    body = {"id": "75071", **IDS, "last_error": {"code": code, "msg": text}, "status": status, "usage": {}}
    return event_bytes(body, f"conversation.chat.{status}")


def message(kind: str, content: str, name: str = "delta", message_id: str = "m-1", **fields: Any) -> bytes:
    body = {"id": message_id, **IDS, "role": "assistant", "type": kind, "content": content, "content_type": "text"}
    return event_bytes({**body, **fields}, f"conversation.message.{name}")


BEGIN = (chat("created"), chat("in_progress"))
END = (chat("completed"), event_bytes('"[DONE]"', "done"))


@pytest.fixture
async def bot(service: FakeBotService) -> AsyncIterator[CozeBot]:
    bot = CozeBot(HttpBotClient(service.url, "pat_secret"), "7497")
    yield bot
    await bot.close()


async def test_only_messages_of_type_answer_reach_the_customer(service: FakeBotService, bot: CozeBot) -> None:
    service.script = stream(
        *BEGIN,
        message("function_call", '{"name":"search"}', "completed", "m-0"),
        message("tool_response", "a secret of the tool", "completed", "m-0"),
        message("answer", "", reasoning_content="thinking"),
        message("answer", "对话"),
        message("answer", "流程"),
        message("answer", "对话流程", "completed"),
        message("verbose", '{"msg_type":"generate_answer_finish"}', "completed", "m-2"),
        message("follow_up", "What else?", "completed", "m-3"),
        *END,
    )
    assert await pieces_of(bot, make_request("hi")) == ["对话", "流程"]


async def test_request_matches_the_api(service: FakeBotService, bot: CozeBot) -> None:
    service.script = stream(*BEGIN, message("answer", "ok"), *END)
    await pieces_of(bot, make_request("when?", make_message("hello", "bot")))
    assert service.paths == ["/v3/chat"]
    assert service.headers[0]["Authorization"] == "Bearer pat_secret"
    assert service.bodies[0] == {
        "bot_id": "7497",
        "user_id": "customer-1",
        "stream": True,
        "auto_save_history": False,
        "additional_messages": [
            {"role": "assistant", "type": "answer", "content": "hello", "content_type": "text"},
            {"role": "user", "type": "question", "content": "when?", "content_type": "text"},
        ],
    }


async def test_unstreamed_messages_are_separated_by_an_empty_line(service: FakeBotService, bot: CozeBot) -> None:
    service.script = stream(
        *BEGIN,
        message("answer", "first", "completed", "m-1"),
        message("answer", '[{"type":"image"}]', "completed", "m-2", content_type="object_string"),
        message("answer", "second", "completed", "m-3"),
        *END,
    )
    assert text_of(await pieces_of(bot, make_request("hi"))) == "first\n\nsecond"


async def test_stream_may_be_split_anywhere(service: FakeBotService, bot: CozeBot) -> None:
    whole = b"".join((*BEGIN, message("answer", "流程 😀"), *END))
    for size in (1, 7, 50):
        service.script = stream(*[whole[at : at + size] for at in range(0, len(whole), size)])
        assert text_of(await pieces_of(bot, make_request("hi"))) == "流程 😀"


async def test_marker_becomes_a_hand_off(service: FakeBotService, bot: CozeBot) -> None:
    service.script = stream(*BEGIN, message("answer", "[["), message("answer", "handoff]]"), *END)
    (piece,) = await pieces_of(bot, make_request("hi"))
    assert isinstance(piece, HandOff)


FAILURES: list[tuple[str, Script, FailureReason]] = [
    ("bad token with 200", answer(200, {"code": 4100, "msg": "authentication is invalid"}), FailureReason.FAILED),
    ("rate limit with 200", answer(200, {"code": 4013, "msg": "too frequent"}), FailureReason.RATE_LIMITED),
    ("rate limit with 429", answer(429, {}), FailureReason.RATE_LIMITED),
    ("chat failed", stream(*BEGIN, chat("failed", 5000, "internal"), END[1]), FailureReason.FAILED),
    ("chat limited", stream(*BEGIN, chat("failed", 4013, "too frequent"), END[1]), FailureReason.RATE_LIMITED),
    ("needs a tool", stream(*BEGIN, chat("requires_action"), END[1]), FailureReason.FAILED),
    ("error event", stream(event_bytes({"code": 4000, "msg": "bad bot_id"}, "error")), FailureReason.FAILED),
    ("cut in the middle", stream(*BEGIN, message("answer", "half"), end="cut"), FailureReason.CUT),
    ("ends without finishing", stream(*BEGIN, message("answer", "half")), FailureReason.CUT),
    ("garbage", stream(*BEGIN, event_bytes("{]", "conversation.message.delta")), FailureReason.UNREADABLE),
]


@pytest.mark.parametrize(("script", "reason"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
async def test_failure_has_a_reason(
    service: FakeBotService, bot: CozeBot, script: Script, reason: FailureReason
) -> None:
    service.script = script
    with pytest.raises(BotError) as caught:
        await pieces_of(bot, make_request("hi"))
    assert caught.value.reason is reason, caught.value
