"""Invariants of `docs/protocol.md` that a simulation checks."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import msgspec

INVARIANTS = MappingProxyType(
    {
        "commit-before-ack": ("Messages", "A message is acked only after its commit, with the committed id and seq."),
        "commit-before-broadcast": ("Messages", "Only committed messages and read marks are sent, as committed."),
        "stored-once": ("Messages", "A clientMessageId is stored once in its conversation."),
        "seq-without-gap": ("Messages", "The stored seq of a conversation count from 1 without gap or repetition."),
        "first-ack-again": ("Messages", "A repeated clientMessageId gets the first ack again."),
        "one-ack": ("Requests and acks", "A request gets at most one ack."),
        "ack-in-time": ("Requests and acks", "A request is acked within 10 s on an open connection."),
        "own-conversations": ("Authentication", "A customer receives nothing of another customer's conversation."),
        "after-join": ("Catching up", "A connection receives messages of joined conversations only."),
        "server-order": ("Catching up", "A connection receives each message of a room once, in the order of seq."),
        "client-order": ("Catching up", "A client shows each conversation by seq, without a gap or a repetition."),
        "complete": ("Catching up", "At the end every joined client has all messages up to the head."),
        "outbox-empty": ("Messages", "At the end each posted message is stored, or its refusal was reported."),
        "read-marks-forward": ("Typing, presence, read marks", "A read mark never moves back."),
        "read-marks-agree": ("Typing, presence, read marks", "At the end every joined client has the stored marks."),
        "typing-ends": ("Typing, presence, read marks", "At the end no client shows a user as typing."),
        "presence-agrees": ("Typing, presence, read marks", "At the end clients show who is online as it is."),
        "one-winner": ("Conversations and inbox", "A version of a conversation is changed once."),
        "status-agrees": ("Conversations and inbox", "At the end clients have the stored status and assignee."),
        "inbox-agrees": ("Conversations and inbox", "At the end inboxes have the stored conversations."),
        "connected": ("Disconnects", "At the end every device that did not disconnect is connected and has joined."),
        "no-exception": ("Requests and acks", "No part of the server or of the client fails with an exception."),
    }
)
"""Section of the page, and promise, by name."""


class BrokenInvariant(msgspec.Struct, frozen=True):
    """Broken invariant of a run."""

    name: str
    details: str

    @property
    def promise(self) -> str:
        """The promise that was broken."""
        return INVARIANTS[self.name][1]

    @property
    def section(self) -> str:
        """Section of `docs/protocol.md` with the promise."""
        return INVARIANTS[self.name][0]


class Judge:
    """Records the first broken invariant; never raises, because the parts under test may catch exceptions."""

    def __init__(self, stop: Callable[[BrokenInvariant], None]) -> None:
        self.broken: BrokenInvariant | None = None
        self._stop = stop
        """Ends the run."""

    def require(self, condition: object, name: str, details: str, *values: object) -> None:
        """Check an invariant; ``values`` replace the ``{}`` of the details."""
        if not condition:
            self.record(BrokenInvariant(name, details.format(*values)))

    def record(self, broken: BrokenInvariant) -> None:
        """Record a broken invariant, unless one was recorded before."""
        assert broken.name in INVARIANTS
        if self.broken is None:
            self.broken = broken
            self._stop(broken)
