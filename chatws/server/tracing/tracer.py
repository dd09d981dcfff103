"""Tracer: bounded queue of the records of one open trace."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec
from msgspec import UNSET, UnsetType

from chatws.protocol.commands import Trace
from chatws.protocol.responses import TraceRecord

MAX_RECORDS = 1_000
"""Records that wait for a slow reader of the trace; further ones are counted and dropped."""


class _Payload(msgspec.Struct, frozen=True, rename="camel"):
    conversation_id: str | UnsetType = UNSET
    conversation: _Payload | UnsetType = UNSET


_NAMES_CONVERSATION = frozenset({"join_conversation", "leave_conversation", "typing_start", "typing_stop"})
"""Events whose payload may be the id of a conversation itself."""

_decode = msgspec.json.Decoder(_Payload | str | None).decode


class Tracer:
    """Filter and queue of a trace of one user or one conversation of this server."""

    def __init__(self, target: Trace) -> None:
        self._target = target
        self._records: deque[TraceRecord] = deque()
        self._dropped = 0
        self._added = asyncio.Event()

    def matches_user(self, user_id: str) -> bool:
        """Return whether the trace is of this user."""
        return self._target.user_id == user_id

    def matches_conversation(self, conversation_id: str | None) -> bool:
        """Return whether the trace is of this conversation."""
        return self._target.conversation_id == conversation_id

    def add(self, record: TraceRecord, args: list[msgspec.Raw]) -> None:
        """Queue the record of an event if the trace includes it; a full queue drops it."""
        conversation_id = find_conversation_id(record.event, args)
        if not (self.matches_user(record.user_id) or self.matches_conversation(conversation_id)):
            return
        if len(self._records) >= MAX_RECORDS:
            self._dropped += 1
            return
        record = msgspec.structs.replace(
            record,
            conversation_id=conversation_id,
            payload=args[0] if args and self._target.with_content else UNSET,
            dropped=self._dropped,
        )
        self._dropped = 0
        self._records.append(record)
        self._added.set()

    async def take(self, timeout_s: float) -> list[TraceRecord]:
        """Wait for records and return all of them; an empty list after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._added.wait()
        except TimeoutError:
            return []
        self._added.clear()
        records, self._records = list(self._records), deque()
        return records


def find_conversation_id(event: str, args: list[msgspec.Raw]) -> str | None:
    """Return the conversation that an event names: as its payload, or in a field of it."""
    try:
        payload = _decode(args[0]) if args else None
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(payload, str):
        return payload if event in _NAMES_CONVERSATION else None
    if payload is None:
        return None
    inner = payload.conversation if payload.conversation_id is UNSET else payload
    return None if inner is UNSET or inner.conversation_id is UNSET else inner.conversation_id
