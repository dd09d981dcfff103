"""The agent's side: a token, the inbox, and the work on conversations."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.client.base import ChatClient
from chatws.client.core.event_names import Command, Event
from chatws.client.options import ClientOptions
from chatws.protocol.commands import ChangeConversation, RefreshToken, SubscribeInbox
from chatws.protocol.responses import AuthAck, ConversationAck, InboxAck

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatws.protocol.entities import Conversation, ConversationStatus
    from chatws.protocol.events import BotNotice


class AgentClient(ChatClient):
    """An agent's connection.

    ``token`` is a JWT, or a function (also a coroutine function) that gives one: it is called before every connection
    and when the server says that the token runs out. With a plain string an expired token is final.
    """

    def __init__(
        self, url: str, token: str | Callable[[], str | Awaitable[str]], *, options: ClientOptions | None = None
    ) -> None:
        self._token = token
        super().__init__(url, self._credentials, options or ClientOptions(), renewable=callable(token))

    async def subscribe_inbox(self, status: ConversationStatus | None = None, assignee: str | None = None) -> InboxAck:
        """Follow the list of conversations, now and after every reconnection (then `INBOX_LOADED` brings it anew)."""
        payload = SubscribeInbox(
            status=UNSET if status is None else status, assignee=UNSET if assignee is None else assignee
        )
        return await self._call(Command.SUBSCRIBE_INBOX, payload, InboxAck)

    async def claim_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Take a conversation whose ``version`` was seen.

        Raises:
            Refused: ``conflict`` with the present conversation when somebody was faster.
            ConnectionLost: not connected, or the outcome is unknown: look at the conversation before trying again.
        """
        return await self._change(Command.CLAIM_CONVERSATION, conversation_id, version)

    async def release_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Put a conversation back in the queue; errors as for `claim_conversation`."""
        return await self._change(Command.RELEASE_CONVERSATION, conversation_id, version)

    async def resolve_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Close a conversation; errors as for `claim_conversation`."""
        return await self._change(Command.RESOLVE_CONVERSATION, conversation_id, version)

    async def reopen_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Put a closed conversation back in the queue; errors as for `claim_conversation`."""
        return await self._change(Command.REOPEN_CONVERSATION, conversation_id, version)

    async def assign_bot(self, conversation_id: str, version: int) -> Conversation:
        """Hand a conversation to the bot, which answers what was asked last; errors as for `claim_conversation`."""
        return await self._change(Command.ASSIGN_BOT, conversation_id, version)

    def on_bot_notice(self, callback: Callable[[BotNotice], object]) -> Callable[[], None]:
        """The bot failed or handed a conversation off; only for those who follow the inbox."""
        return self._driver.dispatcher.on(Event.BOT_NOTICE, callback)

    async def refresh_token(self, token: str) -> AuthAck:
        """Give the live connection a fresh token of the same user; later connections use it, too.

        Raises:
            Refused: the token is not valid, or not this user's.
        """
        if not callable(self._token):
            self._token = token
        return await self._call(Command.REFRESH_TOKEN, RefreshToken(token=token), AuthAck)

    async def _change(self, name: Command, conversation_id: str, version: int) -> Conversation:
        payload = ChangeConversation(conversation_id=conversation_id, version=version)
        # Not repeated: after a lost answer the same version would be refused although it was this call that won.
        return (await self._call(name, payload, ConversationAck, repeat=False)).conversation

    async def _credentials(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        return {"token": await token if inspect.isawaitable(token) else token}
