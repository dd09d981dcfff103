"""Handlers of notes, which agents write for each other."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import AddNote, ConversationRef
from chatws.protocol.content import normalise_content
from chatws.protocol.entities import Conversation
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import new_id
from chatws.protocol.responses import NoteAck, NoteList
from chatws.server.requests import policy
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def may_note(services: Services, context: RequestContext, payload: AddNote) -> str:
    """Allow notes with valid content on existing conversations; return the content with LF line ends.

    Raises:
        ChatError: ``draining``, ``too_large``, ``bad_request``, or as `policy.member`.
    """
    if services.draining:
        raise ChatError(ErrorCode.DRAINING)
    await policy.member(services, context, payload)
    return normalise_content(payload.content)


async def add_note(services: Services, context: RequestContext, payload: AddNote, content: str) -> NoteAck:
    """Store a note and send it to the agents who joined the conversation; a repeated one is not sent again.

    Raises:
        StoreError: as `Store.add_note`.
    """
    note_id = new_id(services.clock.now_ms()) if payload.note_id is UNSET else payload.note_id
    note = await services.conversations.add_note(note_id, payload.conversation_id, context.user, content)
    return NoteAck(note=note)


async def list_notes(
    services: Services, context: RequestContext, payload: ConversationRef, conversation: Conversation
) -> NoteList:
    """Return the notes of a conversation."""
    return NoteList(notes=await services.store.notes(conversation.conversation_id))
