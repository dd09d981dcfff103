"""Replies in one room: each message that was sent at the rate of a user is answered after a think time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_loadtest.rng import UserRng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatws_loadtest.ledger import Ledger, LedgerEntry
    from chatws_loadtest.load_state import RoomState
    from chatws_loadtest.locust_worker.chat_user import ChatUser
    from chatws_loadtest.schedule import Schedule


class RoomReplies:
    """Scheduler of one room's replies; the member after the sender answers, and replies are not answered.

    The number of replies is therefore that of the messages that reached that member live and unchanged.
    """

    def __init__(
        self,
        room: RoomState,
        ledger: Ledger,
        schedule: Schedule,
        *,
        rng: UserRng,
        think_s: tuple[float, float],
        find_user: Callable[[int], ChatUser | None],
    ) -> None:
        """Create a scheduler; ``find_user`` returns a member that may send."""
        self._room = room
        self._ledger = ledger
        self._schedule = schedule
        self._rng = rng
        self._least_s, most_s = think_s
        self._spread_s = most_s - self._least_s
        self._find_user = find_user

    def answer(self, entry: LedgerEntry, member: int, received_s: float) -> None:
        """Schedule the reply to a message that a member received for the first time, if it is due from this member."""
        if not entry.is_reply and member == (entry.sender + 1) % self._room.members:
            think_s = self._least_s + self._rng.random() * self._spread_s
            self._schedule.begin(self._reply(member, received_s + think_s))

    def _reply(self, member: int, at_s: float) -> Iterator[float]:
        yield at_s
        user = self._find_user(member)
        if user is None or member not in self._room.present or member in self._room.leaving:
            return
        reply = self._ledger.entry(user.send_message(at_s))
        if reply is not None:
            reply.is_reply = True
