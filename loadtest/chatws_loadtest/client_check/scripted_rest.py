"""REST routes of the scripted chat: log-in, session, list and messages, which a page needs besides its socket."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import hdrs, web

from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.responses import ConversationAck, ConversationList, LoginAck, Ok, SessionAck
from chatws.server.rest.responses import error_response, reply_response
from chatws_loadtest.client_check.scripted_chat import (
    EXPIRES_AT,
    FIRST_CONVERSATION,
    USER_NAME,
    ScriptedChat,
    user_id_of,
)
from chatws_loadtest.client_check.scripted_room import ScriptedRoom

JsonHandler = Callable[[web.Request, dict[str, object]], Awaitable[Ok]]

CORS: Final = {
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Content-Type, Authorization, X-Session-Id",
}
"""Pages of every origin may send credentials in headers."""

MAX_DIGITS: Final = 16
"""Digits of a number in a query, which is a ``seq`` or a limit."""


class ScriptedRest:
    """Routes that accept any credentials; a log-in returns another token each time."""

    def __init__(self, chat: ScriptedChat) -> None:
        self._chat = chat
        self._tokens = itertools.count(1)

    def attach(self, app: web.Application) -> None:
        """Add the routes."""
        messages = "/api/conversations/{conversationId}/messages"
        routes: tuple[tuple[str, str, JsonHandler], ...] = (
            (hdrs.METH_POST, "/api/auth/login", self._log_in),
            (hdrs.METH_POST, "/api/auth/refresh", self._log_in),
            (hdrs.METH_POST, "/api/auth/logout", self._log_out),
            (hdrs.METH_POST, "/api/sessions", self._start_session),
            (hdrs.METH_GET, "/api/sessions/current", self._start_session),
            (hdrs.METH_GET, "/api/conversations", self._list),
            (hdrs.METH_GET, "/api/conversations/{conversationId}", self._get),
            (hdrs.METH_GET, messages, self._load_messages),
            (hdrs.METH_POST, messages, self._send),
        )
        for method, path, handler in routes:
            app.router.add_route(method, path, _json_route(handler))
        app.router.add_route(hdrs.METH_OPTIONS, "/api/{path:.*}", _preflight)

    async def _log_in(self, _request: web.Request, _body: dict[str, object]) -> LoginAck:
        token = f"token-{next(self._tokens)}"
        user = User(user_id=user_id_of({"token": token}), user_name=USER_NAME, role="admin")
        return LoginAck(token=token, expires_at=EXPIRES_AT, user=user)

    async def _log_out(self, _request: web.Request, _body: dict[str, object]) -> Ok:
        return Ok()

    async def _start_session(self, request: web.Request, _body: dict[str, object]) -> SessionAck:
        return SessionAck(
            session_id=request.headers.get("X-Session-Id") or secrets.token_hex(16),
            user_id=user_id_of(None),
            user_name=USER_NAME,
            conversation_id=FIRST_CONVERSATION,
            expires_at=EXPIRES_AT,
            agents_online=True,
        )

    async def _list(self, _request: web.Request, _body: dict[str, object]) -> ConversationList:
        return ConversationList(conversations=self._chat.conversations(), cursor=None)

    async def _get(self, request: web.Request, _body: dict[str, object]) -> ConversationAck:
        return ConversationAck(conversation=self._room_of(request).conversation())

    async def _load_messages(self, request: web.Request, _body: dict[str, object]) -> Ok:
        after_seq, before_seq, limit = (_number(request, name) for name in ("afterSeq", "beforeSeq", "limit"))
        return self._room_of(request).page(after_seq, before_seq, limit)

    async def _send(self, request: web.Request, body: dict[str, object]) -> Ok:
        payload = {**body, "conversationId": request.match_info["conversationId"]}
        is_agent = hdrs.AUTHORIZATION in request.headers
        return self._chat.send_over_rest({"token": "any"} if is_agent else None, payload)

    def _room_of(self, request: web.Request) -> ScriptedRoom:
        return self._chat.room(request.match_info["conversationId"])


def _json_route(handler: JsonHandler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the handler of a route whose body is empty or a JSON object."""

    async def handle(request: web.Request) -> web.Response:
        try:
            body = msgspec.json.decode(await request.read() or b"{}", type=dict[str, object])
        except msgspec.DecodeError:
            response = error_response(ChatError(ErrorCode.BAD_REQUEST))
        else:
            response = reply_response(await handler(request, body))
        response.headers.update(CORS)
        return response

    return handle


async def _preflight(_request: web.Request) -> web.Response:
    return web.Response(status=204, headers=CORS)


def _number(request: web.Request, name: str) -> int | None:
    """Return a number of the query; None without a valid one."""
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < MAX_DIGITS else None
