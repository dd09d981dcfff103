"""Script of one recorded room: the actions of each member, with the messages that an action follows."""

from __future__ import annotations

from typing import Literal

import msgspec

ReplayAction = Literal["join", "send", "type", "stop typing", "read", "history", "cut", "leave"]


class ReplayStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Action of a member."""

    at_s: float
    """Time since the start of the replay."""
    action: ReplayAction
    message: int = -1
    """Of a send: number of the message in the room."""
    chars: int = 0
    """Of a send: length of the text."""
    after: tuple[int, ...] = ()
    """Of a send: numbers of the messages that the member had received since its last one."""
    earlier: int = 0
    """Of a join: number of the room's messages that were sent before it; it follows them, and later ones follow it."""
    offline_s: float = 0.0
    """Of a cut: time until the member connects again."""


class RoomScript(msgspec.Struct, frozen=True):
    """Members of a room, the customer first, with their steps in the order of time."""

    members: list[list[ReplayStep]]

    @property
    def late_members(self) -> set[int]:
        """Members that join after the room's first message."""
        return {member for member, steps in enumerate(self.members) if steps and steps[0].action == "join"}


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Scripts of a load process's rooms."""

    scripts: list[RoomScript]
    rooms: list[int]
    """Index of the script of each room."""
    reply_timeout_s: float
    """Longest time for which a send waits for the messages that it follows."""
