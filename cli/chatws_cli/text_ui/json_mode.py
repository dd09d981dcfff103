"""Line mode for programs: JSON objects as output and input, see `chatws_cli.text_ui.json_records`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from chatws.client import AgentClient, ClientError, RequestRefused
from chatws.protocol.errors import ErrorCode
from chatws.protocol.spec import COMMANDS
from chatws_cli.output import print_json
from chatws_cli.text_ui.chat_loop import NO_CONVERSATION, ChatLoop
from chatws_cli.text_ui.editor import LineSubmitted
from chatws_cli.text_ui.json_records import (
    JsonRequest,
    Record,
    ack_of,
    parse_request,
    record_of,
    refusal_of,
    unknown_of,
)

if TYPE_CHECKING:
    from chatws.client import SendHandle
    from chatws.protocol.responses import JoinAck
    from chatws_cli.text_ui.editor import Changed

MAX_CALLS = 100
"""Limit of in-flight requests; further lines of the input wait."""

Call = Callable[[dict[str, Any]], Awaitable[object]]
"""Sends a request, given its payload with the field names of the wire."""


class JsonMode(ChatLoop):
    """Chat loop that writes a record per event, and an ``ack`` or ``refused`` per input line."""

    async def show_opened(self, ack: JoinAck) -> None:
        if self._options.history:
            conversation_id = ack.conversation.conversation_id
            print_json(ack_of("history", await self.client.history(conversation_id, limit=self._options.history)))

    def show_event(self, name: str, event: object) -> None:
        print_json(record_of(name, event))

    def show_result(self, pending: SendHandle) -> None:
        if pending.state == "stored":
            print_json(ack_of("send_message", pending.done.result(), pending.client_message_id))
            return
        if pending.is_outcome_unknown:
            print_json(unknown_of("send_message", pending.client_message_id))
            return
        problem = None if pending.done.cancelled() else pending.done.exception()
        failure = problem if isinstance(problem, Exception) else ClientError("the client was closed")
        print_json(refusal_of("send_message", failure, pending.client_message_id))

    def show_rejected(self, content: str, client_message_id: str | None, refusal: RequestRefused) -> None:
        del content
        print_json(refusal_of("send_message", refusal, client_message_id))

    async def handle_input(self, typed: LineSubmitted | Changed) -> None:
        if not isinstance(typed, LineSubmitted):
            return
        try:
            request = parse_request(typed.text)
        except ValueError as problem:
            self._has_failed = True
            print_json(refusal_of("", problem))
            return
        if request is None:
            return
        if request.content is not None:
            await self._send_text(request.content, request.client_message_id)
        else:
            while len(self._tasks) >= MAX_CALLS:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self.spawn(self._call(request))

    async def _send_text(self, content: str, client_message_id: str | None) -> None:
        if self.conversation_id is None:
            self._has_failed = True
            self.show_rejected(content, client_message_id, RequestRefused(ErrorCode.NOT_JOINED, NO_CONVERSATION))
        else:
            await self.send(self.conversation_id, content, client_message_id)

    async def _call(self, request: JsonRequest) -> None:
        name = request.command or ""
        try:
            payload = self._payload(name, request.data)
            reply = await self._calls()[name](payload)
        except (ClientError, ValueError, TypeError) as problem:
            self._has_failed = True
            print_json(refusal_of(name, problem))
        else:
            print_json(ack_of(name, reply))

    def _payload(self, name: str, fields: Record) -> Record:
        """Add the joined conversation to a payload, and validate it as the server would.

        Raises:
            ValueError: the command is unknown, or the payload is invalid.
        """
        if name not in self._calls():
            raise ValueError(f"there is no command {name!r} here")
        payload = {"conversationId": self.conversation_id, **fields}
        expected = COMMANDS[name].payload
        if isinstance(expected, type) and issubclass(expected, msgspec.Struct):
            msgspec.convert(payload, expected)
        return payload

    def _calls(self) -> dict[str, Call]:
        client = self.client
        calls: dict[str, Call] = {
            "typing_start": lambda payload: client.send_typing_start(payload["conversationId"]),
            "typing_stop": lambda payload: client.send_typing_stop(payload["conversationId"]),
            "mark_read": lambda payload: client.mark_read(payload["conversationId"], payload["seq"]),
            "set_presence": lambda payload: client.set_presence(payload["status"]),
            "history": lambda payload: client.history(
                payload["conversationId"], payload.get("beforeSeq"), payload.get("afterSeq"), payload.get("limit", 50)
            ),
            "handoff": lambda payload: client.handoff(payload["conversationId"], payload.get("reason")),
        }
        if isinstance(client, AgentClient):
            calls |= {
                "claim_conversation": _change(client.claim_conversation),
                "release_conversation": _change(client.release_conversation),
                "resolve_conversation": _change(client.resolve_conversation),
                "reopen_conversation": _change(client.reopen_conversation),
                "assign_bot": _change(client.assign_bot),
                "assign_conversation": lambda payload: client.assign_conversation(
                    payload["conversationId"], payload["version"], payload["userId"]
                ),
                "search": lambda payload: client.search(payload["text"]),
                "list_agents": lambda _payload: client.agents(),
                "add_note": lambda payload: client.add_note(payload["conversationId"], payload["content"]),
                "list_notes": lambda payload: client.notes(payload["conversationId"]),
            }
        return calls


def _change(method: Callable[[str, int], Awaitable[object]]) -> Call:
    return lambda payload: method(payload["conversationId"], payload["version"])
