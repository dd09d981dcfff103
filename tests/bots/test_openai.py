"""Bot for OpenAI-compatible services, with streams in the format of real services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatws.bots import BotError, FailureReason, HandOff
from chatws.bots.http_bot import HttpBotClient
from chatws.bots.openai import DEFAULT_PROMPT, OpenAIBot
from tests.bots.service import (
    FakeBotService,
    Script,
    answer,
    drop,
    event_bytes,
    make_message,
    make_request,
    pieces_of,
    stream,
    text_of,
)

KEY = "sk-very-secret"
DONE = b"data: [DONE]\n\n"


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    text = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": {**delta, **text}, "logprobs": None, "finish_reason": finish}
    return event_bytes(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1730106000,
            "model": "small",
            "system_fingerprint": None,
            "choices": [choice],
        }
    )


USAGE = event_bytes({"id": "chatcmpl-1", "choices": [], "usage": {"total_tokens": 3}})


@pytest.fixture
async def bot(service: FakeBotService) -> AsyncIterator[OpenAIBot]:
    bot = OpenAIBot(HttpBotClient(f"{service.url}/v1/", KEY), "small")
    yield bot
    await bot.close()


async def test_reply_consists_of_the_deltas_in_order(service: FakeBotService, bot: OpenAIBot) -> None:
    service.script = stream(
        chunk("", role="assistant", refusal=None), chunk("Hello"), chunk(" 世界"), chunk(finish="stop"), USAGE, DONE
    )
    assert await pieces_of(bot, make_request("hi")) == ["Hello", " 世界"]


async def test_request_matches_the_api(service: FakeBotService, bot: OpenAIBot) -> None:
    service.script = stream(chunk("ok", "stop"), DONE)
    history = (make_message("hi", seq=1), make_message("hello", "bot", 2), make_message("I am Ann", "admin", 3))
    await pieces_of(bot, make_request("when?", *history))
    assert service.paths == ["/v1/chat/completions"]
    assert service.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert service.bodies[0] == {
        "model": "small",
        "stream": True,
        "messages": [
            {"role": "system", "content": DEFAULT_PROMPT},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "assistant", "content": "I am Ann"},
            {"role": "user", "content": "when?"},
        ],
    }


async def test_stream_may_be_split_into_single_bytes(service: FakeBotService, bot: OpenAIBot) -> None:
    whole = chunk("日本語 😀") + chunk(" ü", "stop") + DONE
    service.script = stream(*[whole[at : at + 1] for at in range(len(whole))])
    assert text_of(await pieces_of(bot, make_request("hi"))) == "日本語 😀 ü"


async def test_comments_and_a_missing_done_are_accepted(service: FakeBotService, bot: OpenAIBot) -> None:
    service.script = stream(b": OPENROUTER PROCESSING\n\n", chunk("yes"), b":\n\n", chunk(finish="stop"))
    assert await pieces_of(bot, make_request("hi")) == ["yes"]


async def test_service_without_streaming_is_supported(service: FakeBotService, bot: OpenAIBot) -> None:
    message = {"role": "assistant", "content": "all at once"}
    service.script = answer(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert await pieces_of(bot, make_request("hi")) == ["all at once"]


async def test_split_marker_becomes_a_hand_off(service: FakeBotService, bot: OpenAIBot) -> None:
    service.script = stream(chunk("One moment. [[ha"), chunk("nd"), chunk("off]] ignored"), chunk(finish="stop"), DONE)
    pieces = await pieces_of(bot, make_request("a human"))
    assert text_of(pieces) == "One moment. "
    assert isinstance(pieces[-1], HandOff)


FAILURES: list[tuple[str, Script, FailureReason]] = [
    (
        "rate limit",
        answer(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
        FailureReason.RATE_LIMITED,
    ),
    ("bad key", answer(401, {"error": {"message": f"Incorrect API key: {KEY}"}}), FailureReason.REFUSED),
    ("server error", answer(500, "oops"), FailureReason.FAILED),
    ("overloaded", answer(503, {"error": "busy"}), FailureReason.FAILED),
    ("gateway timeout", answer(504, ""), FailureReason.TIMEOUT),
    ("redirect", answer(302, "", Location="http://127.0.0.1:1/"), FailureReason.REFUSED),
    ("error object with 200", answer(200, {"error": {"message": "no", "type": "server_error"}}), FailureReason.FAILED),
    ("not JSON", answer(200, "<html>"), FailureReason.UNREADABLE),
    ("JSON of another shape", answer(200, {"choices": "none"}), FailureReason.UNREADABLE),
    ("endless body", answer(200, '"' + "x" * 300_000), FailureReason.UNREADABLE),
    ("no response", drop, FailureReason.CUT),
    ("cut in the middle", stream(chunk("half"), end="cut"), FailureReason.CUT),
    ("cut inside an event", stream(chunk("half"), b'data: {"choices": [{"del', end="cut"), FailureReason.CUT),
    ("ends without finishing", stream(chunk("half")), FailureReason.CUT),
    ("ends at once", stream(), FailureReason.CUT),
    ("garbage in the stream", stream(chunk("half"), b"data: {]\n\n"), FailureReason.UNREADABLE),
    ("not UTF-8", stream(b"data: \xff\xfe\n\n"), FailureReason.UNREADABLE),
    ("deeply nested", stream(b'data: {"choices":' + b"[" * 100_000 + b"\n\n"), FailureReason.UNREADABLE),
    ("endless event", stream(*[b"data: " + b"x" * 60_000 + b"\n"] * 6), FailureReason.UNREADABLE),
    (
        "error in the stream",
        stream(chunk("half"), event_bytes({"error": {"message": "too many", "code": 429}})),
        FailureReason.RATE_LIMITED,
    ),
]


@pytest.mark.parametrize(("script", "reason"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
async def test_failure_has_a_reason_without_the_key(
    service: FakeBotService, bot: OpenAIBot, script: Script, reason: FailureReason
) -> None:
    service.script = script
    with pytest.raises(BotError) as caught:
        await pieces_of(bot, make_request("hi"))
    assert caught.value.reason is reason, caught.value
    assert KEY not in str(caught.value)


async def test_retry_after_of_a_rate_limit_is_in_the_detail(service: FakeBotService, bot: OpenAIBot) -> None:
    service.script = answer(429, {}, **{"Retry-After": "17"})
    with pytest.raises(BotError, match="retry after 17"):
        await pieces_of(bot, make_request("hi"))


async def test_missing_service_is_unreachable(service: FakeBotService) -> None:
    bot = OpenAIBot(HttpBotClient("http://127.0.0.1:1/v1", None), "small")
    with pytest.raises(BotError) as caught:
        await pieces_of(bot, make_request("hi"))
    await bot.close()
    assert caught.value.reason is FailureReason.UNREACHABLE
    assert service.bodies == []


async def test_closing_the_reply_ends_the_request(service: FakeBotService, bot: OpenAIBot) -> None:
    service.script = stream(chunk("half"), end="hang")
    pieces = bot.answer(make_request("hi"))
    assert await anext(pieces) == "half"
    await pieces.aclose()  # type: ignore[attr-defined]  # a bot's iterator is a generator
    await service.client_disconnected.wait()
