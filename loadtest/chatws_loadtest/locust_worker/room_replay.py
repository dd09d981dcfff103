"""Replay of one recorded room: performs the steps of its members, each after the messages that it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatws_loadtest.load_state import now_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatws_loadtest.load_state import RoomState, SharedState
    from chatws_loadtest.locust_worker.chat_user import ChatUser
    from chatws_loadtest.replay.room_script import ReplayStep, RoomScript

POLL_S: Final = 0.005
"""Interval at which a step looks for the messages and joins that it follows."""

SETTLE_S: Final = 5.0
"""Longest time for which a member that leaves waits for the messages of its room that are in flight."""


class RoomReplay:
    """Steps of one room, and the numbers that the ledger has given to the recorded messages.

    A member that joined after messages of the room joins after these are acked and received, and messages that were
    sent later follow its join: it receives live what it had received live, and finds the others in the history.
    """

    def __init__(self, shared: SharedState, room: RoomState, script: RoomScript, reply_timeout_s: float) -> None:
        self._shared = shared
        self._room = room
        self._script = script
        self._reply_timeout_s = reply_timeout_s
        self._numbers: dict[int, int] = {}
        # Recorded messages from the first one on that are acked and received.
        self._settled = 0
        # Times of the joins that are not done.
        self._due_joins = [script.members[member][0].at_s for member in script.late_members]

    def steps(self, user: ChatUser, start_s: float, is_stopped: Callable[[], bool]) -> Iterator[float]:
        """Yield the time of each step of a member, and perform it when resumed."""
        for step in self._script.members[user.member]:
            at_s = start_s + step.at_s
            yield at_s
            if not self._may_begin(user.member, step):
                deadline_s = now_s() + self._reply_timeout_s
                while not (may_begin := self._may_begin(user.member, step)) and now_s() < deadline_s:
                    yield now_s() + POLL_S
                    if is_stopped():
                        return
                self._shared.unprompted += not may_begin
                # The server, not this member, was late: the latency counts from here.
                at_s = now_s()
            if is_stopped():
                return
            if step.action == "leave":
                yield from self._settle()
                user.close()
                self._shared.ledger.leave(self._room.index, user.member)
                return
            if step.action == "join":
                yield from self._join(user, step)
            else:
                self._perform(user, step, at_s)

    def _join(self, user: ChatUser, step: ReplayStep) -> Iterator[float]:
        """Connect a member that was not in the room so far; the next steps follow also if it cannot join in time."""
        deadline_s = now_s() + self._shared.plan.connect_timeout_s
        user.connect()
        while not user.joined.ready() and now_s() < deadline_s:
            yield now_s() + POLL_S
        self._due_joins.remove(step.at_s)
        self._room.late.discard(user.member)

    def _perform(self, user: ChatUser, step: ReplayStep, at_s: float) -> None:
        match step.action:
            case "send":
                self._shared.contents.set_length(self._shared.ledger.sent, step.chars)
                self._numbers[step.message] = user.send_message(at_s)
            case "type":
                user.start_typing(at_s)
            case "stop typing":
                user.stop_typing()
            case "read":
                user.mark_read()
            case "history":
                user.read_history()
            case "cut":
                user.cut(step.offline_s)

    def _may_begin(self, member: int, step: ReplayStep) -> bool:
        """Return whether the messages that a step follows have arrived, and the joins that a send follows are done."""
        match step.action:
            case "join":
                return self._are_settled(step.earlier)
            case "send":
                return self._has_received(member, step) and all(at_s >= step.at_s for at_s in self._due_joins)
            case _:
                return True

    def _has_received(self, member: int, step: ReplayStep) -> bool:
        """Return whether a member has received the messages that a send follows."""
        for cause in step.after:
            number = self._numbers.get(cause)
            if number is None:
                return False
            entry = self._shared.ledger.entry(number)
            if entry is not None and entry.missing >> member & 1:
                return False
        return True

    def _are_settled(self, messages: int) -> bool:
        """Return whether the first messages of the recording are acked, and received by all members."""
        while self._settled < messages:
            number = self._numbers.get(self._settled)
            if number is None or self._shared.ledger.entry(number) is not None:
                return False
            self._settled += 1
        return True

    def _settle(self) -> Iterator[float]:
        deadline_s = now_s() + SETTLE_S
        while not self._shared.ledger.is_room_settled(self._room.index) and now_s() < deadline_s:
            yield now_s() + POLL_S
