"""Client of an agent: token, inbox, and commands on conversations."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.client.base import ChatClient
from chatws.client.core.event_names import Command, Event
from chatws.client.options import ClientOptions
from chatws.protocol.commands import (
    AddNote,
    AssignConversation,
    ChangeConversation,
    ConversationRef,
    Nothing,
    RefreshToken,
    SearchConversations,
    SubscribeInbox,
)
from chatws.protocol.ids import new_id
from chatws.protocol.responses import (
    AgentList,
    AuthAck,
    ConversationAck,
    InboxAck,
    NoteAck,
    NoteList,
    ReplyList,
    SearchAck,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatws.protocol.entities import AgentPresence, CannedReply, Conversation, ConversationStatus, Note, SearchHit
    from chatws.protocol.events import BotNotice


class AgentClient(ChatClient):
    """Connection of an agent.

    ``token`` is a JWT, or a function (also a coroutine function) that returns one: it is called before every connection
    and when the server announces the expiry. With a plain string an expired token is final.
    """

    def __init__(
        self, url: str, token: str | Callable[[], str | Awaitable[str]], *, options: ClientOptions | None = None
    ) -> None:
        self._token = token
        super().__init__(url, self._credentials, options or ClientOptions(), renewable=callable(token))

    async def subscribe_inbox(self, status: ConversationStatus | None = None, assignee: str | None = None) -> InboxAck:
        """Subscribe to the list of conversations; after a reconnect `INBOX_LOADED` delivers it again."""
        payload = SubscribeInbox(
            status=UNSET if status is None else status, assignee=UNSET if assignee is None else assignee
        )
        return await self._call(Command.SUBSCRIBE_INBOX, payload, InboxAck)

    async def claim_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Claim a conversation at the ``version`` last received.

        Raises:
            RequestRefused: ``conflict`` with the current conversation when its version has changed.
            ConnectionLost: not connected, or the outcome is unknown: read the conversation before a retry.
        """
        return await self._change(Command.CLAIM_CONVERSATION, conversation_id, version)

    async def release_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Return a conversation to the queue; errors as for `claim_conversation`."""
        return await self._change(Command.RELEASE_CONVERSATION, conversation_id, version)

    async def resolve_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Resolve a conversation; errors as for `claim_conversation`."""
        return await self._change(Command.RESOLVE_CONVERSATION, conversation_id, version)

    async def reopen_conversation(self, conversation_id: str, version: int) -> Conversation:
        """Reopen a resolved conversation into the queue; errors as for `claim_conversation`."""
        return await self._change(Command.REOPEN_CONVERSATION, conversation_id, version)

    async def assign_bot(self, conversation_id: str, version: int) -> Conversation:
        """Assign a conversation to the bot, which replies to the last message; errors as for `claim_conversation`."""
        return await self._change(Command.ASSIGN_BOT, conversation_id, version)

    async def assign_conversation(self, conversation_id: str, version: int, user_id: str) -> Conversation:
        """Assign a conversation to an agent: take it over, or transfer it; errors as for `claim_conversation`."""
        payload = AssignConversation(conversation_id=conversation_id, version=version, user_id=user_id)
        return (await self._call(Command.ASSIGN_CONVERSATION, payload, ConversationAck, repeat=False)).conversation

    async def search(self, text: str) -> list[SearchHit]:
        """Search the newest conversations for a customer's name or a text."""
        return (await self._call(Command.SEARCH, SearchConversations(text=text), SearchAck)).hits

    async def agents(self) -> list[AgentPresence]:
        """Read the agents who are not offline, by name."""
        return (await self._call(Command.LIST_AGENTS, Nothing(), AgentList)).agents

    async def add_note(self, conversation_id: str, content: str) -> Note:
        """Add a note that only agents receive.

        Raises:
            RequestRefused: the content is invalid, or the conversation does not exist.
        """
        note_id = new_id(time.time_ns() // 1_000_000)
        payload = AddNote(conversation_id=conversation_id, content=content, note_id=note_id)
        return (await self._call(Command.ADD_NOTE, payload, NoteAck)).note

    async def notes(self, conversation_id: str) -> list[Note]:
        """Read the newest notes of a conversation, oldest first."""
        return (await self._call(Command.LIST_NOTES, ConversationRef(conversation_id=conversation_id), NoteList)).notes

    async def replies(self) -> list[CannedReply]:
        """Read the canned replies of the server.

        Raises:
            RequestRefused: the server does not know canned replies, or its file cannot be used.
        """
        return (await self._call(Command.LIST_REPLIES, Nothing(), ReplyList)).replies

    def on_note_added(self, callback: Callable[[Note], object]) -> Callable[[], None]:
        """Call back when an agent adds a note to a joined conversation."""
        return self._driver.dispatcher.on(Event.NOTE_ADDED, callback)

    def on_bot_notice(self, callback: Callable[[BotNotice], object]) -> Callable[[], None]:
        """Call back when the bot fails or hands a conversation off; requires `subscribe_inbox`."""
        return self._driver.dispatcher.on(Event.BOT_NOTICE, callback)

    async def refresh_token(self, token: str) -> AuthAck:
        """Send a fresh token of the same user on the open connection; later connections use it too.

        Raises:
            RequestRefused: the token is not valid, or belongs to another user.
        """
        if not callable(self._token):
            self._token = token
        return await self._call(Command.REFRESH_TOKEN, RefreshToken(token=token), AuthAck)

    async def _change(self, name: Command, conversation_id: str, version: int) -> Conversation:
        payload = ChangeConversation(conversation_id=conversation_id, version=version)
        # Not repeated: after a lost ack a retry would be refused with a conflict, although the first attempt succeeded.
        return (await self._call(name, payload, ConversationAck, repeat=False)).conversation

    async def _credentials(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        return {"token": await token if inspect.isawaitable(token) else token}
