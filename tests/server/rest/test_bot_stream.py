"""POST /api/coze/chat with Accept: text/event-stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from chatws.bots import BotError, FailureReason
from chatws.bots.sse import EventStream
from tests.server.conftest import StartChat
from tests.server.rest.support import code_of, new_session
from tests.support.bots import ScriptedBot, StepBot, install
from tests.support.chat import RunningChat


class EventStreamReader:
    """Reader of the server-sent events of a response."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self._stream = EventStream()
        self._events: list[tuple[str, Any]] = []

    async def next(self) -> tuple[str, Any]:
        while not self._events:
            chunk = await asyncio.wait_for(self.response.content.readany(), 30)
            assert chunk, "the stream has ended"
            self._events += [(event.name, json.loads(event.data)) for event in self._stream.feed(chunk)]
        return self._events.pop(0)

    async def rest(self) -> list[tuple[str, Any]]:
        chunk = await asyncio.wait_for(self.response.read(), 30)
        return self._events + [(event.name, json.loads(event.data)) for event in self._stream.feed(chunk)]


@asynccontextmanager
async def post_question(
    chat: RunningChat, header: dict[str, str], message: str, **fields: Any
) -> AsyncIterator[EventStreamReader]:
    headers = {**header, "Accept": "text/event-stream"}
    body = {"message": message, **fields}
    async with chat.http.post(f"{chat.url}/api/coze/chat", json=body, headers=headers) as response:
        yield EventStreamReader(response)


async def test_reply_is_streamed_in_deltas_and_then_as_the_stored_message(chat: RunningChat) -> None:
    bot = StepBot()
    install(chat, bot)
    _, header = await new_session(chat)
    async with post_question(chat, header, "hello") as reader:
        assert (reader.response.status, reader.response.content_type) == (200, "text/event-stream")
        name, accepted = await reader.next()
        assert (name, accepted["success"], accepted["answered"]) == ("accepted", True, False)
        for piece in ("Grüß ", "Gott\n\n", "😀"):
            bot.pieces.put_nowait(piece)
            assert await reader.next() == ("delta", {"content": piece})
        bot.pieces.put_nowait(None)
        ((name, done),) = await reader.rest()
    assert (name, done["messageId"], done["answered"]) == ("done", accepted["messageId"], True)
    assert (done["reply"]["content"], done["reply"]["sender"]["role"]) == ("Grüß Gott\n\n😀", "bot")
    _, page = await chat.get("/api/messages", headers=header)
    assert page["messages"][1] == done["reply"]


async def test_failure_of_the_bot_ends_with_the_failure_text(chat: RunningChat) -> None:
    bot = ScriptedBot("half an", error=BotError("gone", FailureReason.CUT))
    bot.may_reply.set()
    install(chat, bot)
    _, header = await new_session(chat)
    async with post_question(chat, header, "hello") as reader:
        events = await reader.rest()
    assert [name for name, _ in events] == ["accepted", "delta", "done"]
    assert events[1][1] == {"content": "half an"}
    assert events[2][1]["reply"]["content"] == chat.settings.bot_failure_text


async def test_message_of_an_agent_ends_the_stream_unanswered(chat: RunningChat) -> None:
    bot = StepBot()
    install(chat, bot)
    session, header = await new_session(chat)
    agent = await chat.agent()
    async with post_question(chat, header, "hello") as reader:
        await reader.next()
        bot.pieces.put_nowait("I ")
        await reader.next()
        assert (await agent.call("join_conversation", session["conversationId"]))["success"]
        await agent.call("send_message", {"conversationId": session["conversationId"], "content": "I do this"})
        ((name, done),) = await reader.rest()
    assert (name, done["answered"], "reply" in done) == ("done", False, False)


async def test_repeat_returns_the_stored_reply(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    async with post_question(chat, header, "hello", clientMessageId="m1") as reader:
        first = (await reader.rest())[-1]
    async with post_question(chat, header, "hello", clientMessageId="m1") as reader:
        again = await reader.rest()
    assert again[-1] == first
    assert (await chat.get("/api/messages", headers=header))[1]["headSeq"] == 2


async def test_error_is_json_with_its_status(chat: RunningChat) -> None:
    _, header = await new_session(chat)
    async with post_question(chat, header, " ") as reader:
        assert reader.response.status == 400
        assert code_of(await reader.response.json()) == "bad_request"
    async with post_question(chat, {}, "hello") as reader:
        assert reader.response.status == 401


async def test_allowed_origin_can_read_the_stream(start_chat: StartChat) -> None:
    chat = await start_chat(cors_origin=("https://shop.example",))
    _, header = await new_session(chat)
    async with post_question(chat, {**header, "Origin": "https://shop.example"}, "hello") as reader:
        assert reader.response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert reader.response.headers["Cache-Control"] == "no-store"
        await reader.rest()


async def test_reply_continues_after_the_client_disconnects(chat: RunningChat) -> None:
    bot = StepBot()
    install(chat, bot)
    session, header = await new_session(chat)
    agent = await chat.agent()
    await agent.call("join_conversation", session["conversationId"])
    async with post_question(chat, header, "hello") as reader:
        await reader.next()
        reader.response.close()
    for piece in ("one ", "two", None):
        bot.pieces.put_nowait(piece)
    assert (await agent.expect("message_received", seq=2))["content"] == "one two"


async def test_server_stop_ends_the_stream_with_done(chat: RunningChat) -> None:
    install(chat, StepBot())
    _, header = await new_session(chat)
    async with post_question(chat, header, "hello") as reader:
        await reader.next()
        stopping = asyncio.create_task(chat._runner.cleanup())
        ((name, done),) = await reader.rest()
        assert (name, done["answered"]) == ("done", False)
        await stopping
