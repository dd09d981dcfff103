"""REST client: login, sessions, lists, and sending without a socket (guide: FAQ, fallback)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

import aiohttp
import msgspec
from msgspec import UNSET

from chatws.client.connect_failure import describe_failure
from chatws.client.errors import CannotConnect, RequestRefused
from chatws.client.options import ClientOptions
from chatws.protocol.commands import Kick, Login, SendMessage, SetEmail, StartSession
from chatws.protocol.errors import ErrorCode
from chatws.protocol.limits import HISTORY_DEFAULT
from chatws.protocol.responses import (
    ConnectionList,
    ConversationList,
    HistoryAck,
    KickAck,
    LoginAck,
    Ok,
    SendAck,
    SessionAck,
    TraceRecord,
)
from chatws.protocol.responses import Refused as RefusedReply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

    from chatws.protocol.entities import ConversationStatus, Wire

R = TypeVar("R", bound=Ok)


TRACE_SILENCE_S = 30.0
"""Time without a line of a trace after which the server is gone; it sends one every 15 s."""


class RestClient:
    """HTTP client of one account; an async context manager.

    Every call raises `RequestRefused` with the server's code, or `CannotConnect` when there is no response.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        session_id: str | None = None,
        options: ClientOptions | None = None,
    ) -> None:
        options = options or ClientOptions()
        self.token = token
        """Set by `login` and `refresh`."""
        self.session_id = session_id
        """Set by `create_session`."""
        self._url = url.rstrip("/")
        tls = options.ssl_context()
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector() if tls is None else aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=options.connect_timeout_s),
            headers={"User-Agent": options.user_agent},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def login(self, email: str, password: str) -> LoginAck:
        """Log an agent in; later calls use the token."""
        ack = await self._request("POST", "/api/auth/login", LoginAck, Login(email=email, password=password))
        self.token = ack.token
        return ack

    async def refresh(self) -> LoginAck:
        """Renew the token; possible up to 7 days after the login."""
        ack = await self._request("POST", "/api/auth/refresh", LoginAck)
        self.token = ack.token
        return ack

    async def logout(self) -> None:
        """End every connection and token of the agent."""
        await self._request("POST", "/api/auth/logout", Ok)
        self.token = None

    async def create_session(self, user_name: str | None = None, email: str | None = None) -> SessionAck:
        """Create a customer's session; later calls use it."""
        body = StartSession(
            user_name=UNSET if user_name is None else user_name, email=UNSET if email is None else email
        )
        ack = await self._request("POST", "/api/sessions", SessionAck, body)
        self.session_id = ack.session_id
        return ack

    async def set_email(self, email: str) -> SessionAck:
        """Leave the customer's mail address for the agents."""
        return await self._request("POST", "/api/sessions/current/email", SessionAck, SetEmail(email=email))

    async def current_session(self) -> SessionAck:
        """Return the user and the conversation of this session."""
        return await self._request("GET", "/api/sessions/current", SessionAck)

    async def conversations(
        self, *, status: ConversationStatus | None = None, assignee: str | None = None, cursor: str | None = None
    ) -> ConversationList:
        """List a page of conversations; ``cursor`` is the previous page's."""
        return await self._request(
            "GET",
            "/api/conversations",
            ConversationList,
            query={"status": status, "assignee": assignee, "cursor": cursor},
        )

    async def messages(
        self,
        conversation_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = HISTORY_DEFAULT,
    ) -> HistoryAck:
        """Read a page of messages; the newest without a position."""
        query = {"beforeSeq": before_seq, "afterSeq": after_seq, "limit": limit}
        return await self._request("GET", f"/api/conversations/{conversation_id}/messages", HistoryAck, query=query)

    async def send(self, conversation_id: str, content: str, *, client_message_id: str | None = None) -> SendAck:
        """Send without a socket; after `CannotConnect` repeat with the same ``client_message_id``."""
        body = SendMessage(
            conversation_id=conversation_id,
            content=content,
            client_message_id=UNSET if client_message_id is None else client_message_id,
        )
        return await self._request("POST", f"/api/conversations/{conversation_id}/messages", SendAck, body)

    async def connections(self, *, user_id: str | None = None, conversation_id: str | None = None) -> ConnectionList:
        """List the connections of the server, with an operator's token."""
        query = {"userId": user_id, "conversationId": conversation_id}
        return await self._request("GET", "/api/admin/connections", ConnectionList, query=query)

    async def kick(self, *, user_id: str | None = None, socket_id: str | None = None) -> KickAck:
        """Close the connections of a user or one connection, with an operator's token."""
        body = Kick(user_id=UNSET if user_id is None else user_id, socket_id=UNSET if socket_id is None else socket_id)
        return await self._request("POST", "/api/admin/kick", KickAck, body)

    async def trace(
        self,
        *,
        user_id: str | None = None,
        conversation_id: str | None = None,
        with_content: bool = False,
        on_open: Callable[[], object] = lambda: None,
    ) -> AsyncIterator[TraceRecord]:
        """Yield the events of a user or a conversation on the server, with an operator's token, until the server ends.

        ``on_open`` is called when the trace has begun.

        Raises:
            RequestRefused: the server refused the request.
            CannotConnect: the connection failed or ended.
        """
        query = {"userId": user_id, "conversationId": conversation_id, "withContent": str(with_content).lower()}
        try:
            async with self._http.get(
                self._url + "/api/admin/trace",
                params={name: value for name, value in query.items() if value is not None},
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=aiohttp.ClientTimeout(sock_read=TRACE_SILENCE_S),
                allow_redirects=False,
            ) as response:
                if response.status >= 300:  # noqa: PLR2004  likewise
                    _read(response.status, await response.read(), Ok)
                await response.content.readline()
                on_open()
                async for line in response.content:
                    if line.strip():
                        yield msgspec.json.decode(line, type=TraceRecord)
        except (aiohttp.ClientError, OSError) as problem:
            raise CannotConnect(describe_failure(problem)) from problem

    async def _request(
        self,
        method: str,
        path: str,
        reply: type[R],
        body: Wire | None = None,
        query: Mapping[str, str | int | None] | None = None,
    ) -> R:
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        elif self.session_id is not None:
            headers["X-Session-Id"] = self.session_id
        try:
            async with self._http.request(
                method,
                self._url + path,
                data=None if body is None else msgspec.json.encode(body),
                params={name: str(value) for name, value in (query or {}).items() if value is not None},
                headers=headers,
                allow_redirects=False,
            ) as response:
                return _read(response.status, await response.read(), reply)
        except (aiohttp.ClientError, OSError) as problem:
            raise CannotConnect(describe_failure(problem)) from problem


def _read(status: int, body: bytes, reply: type[R]) -> R:
    try:
        if status < 300:  # noqa: PLR2004  # the first status that is not a success
            return msgspec.json.decode(body, type=reply)
        raise RequestRefused.from_reply(msgspec.json.decode(body, type=RefusedReply))
    except msgspec.DecodeError:
        raise RequestRefused(ErrorCode.INTERNAL, f"the server answered HTTP {status} with an unknown body") from None
