"""Where the users of one load process play: their seats, when they enter, when and how often they speak."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import gevent
import gevent.event

from chatws_loadtest.locust_worker.chat_user import ChatUser, RoomState, SharedState, now_s
from chatws_loadtest.rng import Dice
from chatws_loadtest.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatws.client.errors import ClientError
    from chatws.client.gevent.endpoint import Endpoint
    from chatws_loadtest.ipc import WorkerPlan
    from chatws_loadtest.ledger import Ledger

TYPING_LEAD_S = 0.3
"""How long before a message its typing begins; with more than one message a second, this share of their distance."""

POLL_S = 0.01
"""How often a user looks whether the others have come or gone."""


Seat = tuple[RoomState, int, dict[str, str]]
"""A room, a member's number in it, and the credentials."""


class UserPool:
    """All users of one process; Locust gives each a greenlet, which `play` is run in."""

    def __init__(self, plan: WorkerPlan, ledger: Ledger, address: Endpoint) -> None:
        self.books = SharedState(plan, ledger)
        self.chatters: list[ChatUser] = []
        self.rate = plan.habits.rate
        self._missed = 0
        self._schedule = Schedule()
        self._address = address
        self._seats = self._deal()
        self._taken: list[Seat] = []
        self._entered_s = now_s()
        self._go: gevent.event.AsyncResult = gevent.event.AsyncResult()
        # Set when nobody may say anything more.
        self._over_s: float | None = None

    @property
    def offered(self) -> int:
        """Messages that were due so far, said or not."""
        return self.books.ledger.sent + self._missed

    def go(self, at_s: float) -> None:
        """Let everybody talk from ``at_s`` on."""
        if not self._go.ready():
            self._go.set(at_s)

    def silence(self) -> None:
        """Let nobody say anything more."""
        self._over_s = now_s()

    def cut(self) -> None:
        """Cut every connection."""
        for chatter in self.chatters:
            chatter.cut()

    def join_all(self) -> ClientError | None:
        """Wait until everybody is in a room; the error if somebody can never be."""
        while len(self.chatters) < self.books.plan.users:
            gevent.sleep(0.01)
        for chatter in self.chatters:
            problem: ClientError | None = chatter.joined.get()
            if problem is not None:
                return problem
        return None

    def enter(self) -> int | None:
        """Take the next place; None when there is no more."""
        seat = next(self._seats, None)
        if seat is None:
            return None
        self._taken.append(seat)
        self.chatters.append(ChatUser(self.books, *seat, self._address))
        return len(self.chatters) - 1

    def leave(self, turn: int, patience_s: float) -> None:
        """Go for good, once what is on its way in the room has arrived, or patience has ended."""
        room, member, _ = self._taken[turn]
        deadline_s = now_s() + patience_s
        while not self.books.ledger.is_room_settled(room.index) and now_s() < deadline_s:
            gevent.sleep(POLL_S)
        self.chatters[turn].close()
        self.books.ledger.leave(room.index, member)

    def play(self, turn: int) -> None:
        """Be one user, until everything is over."""
        room, member, auth = self._taken[turn]
        chatter = self.chatters[turn]
        habits = self.books.plan.habits
        is_talker = habits.talkers is None or member < habits.talkers
        # Spread evenly: Locust starts a second's users in one instant, and that herd would be what is measured.
        gevent.sleep(max(0.0, self._entered_s + turn / self.books.plan.connects_per_s - now_s()))
        chatter.connect()
        dice = Dice(f"{self.books.plan.seed}/{turn}/talk")
        begin_s = self._go.get()
        if len(room.present) < room.members:
            # Under Locust's own command users come one by one; who is alone has nobody to talk to.
            self._wait_for(lambda: len(room.present) == room.members)
            begin_s = now_s()
        if habits.visit_s is None:
            if is_talker:
                self._act(self._talk(chatter, dice, begin_s, float("inf")))
            return
        while self._over_s is None:
            self._visit(room, chatter, dice, habits.visit_s)
            if self._over_s is None:
                chatter = self.chatters[turn] = ChatUser(self.books, room, member, auth, self._address)
                chatter.connect()

    def _visit(self, room: RoomState, chatter: ChatUser, dice: Dice, visit_s: float) -> None:
        """Talk while everybody is in the room; leave together, when nobody waits for anything any more."""
        self._wait_for(lambda: len(room.present) == room.members)
        if room.leave_at_s is None:
            room.visits += 1
            length = Random(f"{self.books.plan.seed}/{room.index}/{room.visits}").uniform(0.5, 1.5) * visit_s
            room.leave_at_s = now_s() + length
        self._act(self._talk(chatter, dice, now_s(), room.leave_at_s))
        room.silent.add(chatter.member)
        ledger = self.books.ledger
        self._wait_for(lambda: len(room.silent) == room.members and ledger.is_room_settled(room.index))
        if self._over_s is not None:
            return
        chatter.close()
        self._wait_for(lambda: not room.present)
        room.leave_at_s = None
        room.silent.clear()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Let the others run until something is so, or all is over."""
        while not condition() and self._over_s is None:
            gevent.sleep(POLL_S)

    def _act(self, steps: Iterator[float]) -> None:
        """Play a part to its end, or until Locust stops this user."""
        part = self._schedule.begin(steps)
        try:
            part.ended.wait()
        finally:
            part.stop()

    def _talk(self, chatter: ChatUser, dice: Dice, begin_s: float, until_s: float) -> Iterator[float]:
        """Say everything at its time, whatever the server does; what is late goes out at once."""
        habits = self.books.plan.habits
        intended_s = begin_s + dice.random() / self.rate
        while intended_s < until_s:
            typing_s = intended_s - min(TYPING_LEAD_S, TYPING_LEAD_S / self.rate)
            if dice.random() < habits.typing_share:
                yield typing_s
                if self._over_s is not None:
                    break
                chatter.type(typing_s)
            yield intended_s
            if self._over_s is not None:
                break
            chatter.say(intended_s)
            if dice.random() < habits.read_share:
                chatter.mark_read()
            if dice.random() < habits.history_share:
                chatter.read_history()
            intended_s += 1 / self.rate
        end_s = until_s if self._over_s is None else min(until_s, self._over_s)
        self._missed += max(0, int((end_s - intended_s) * self.rate) + (end_s >= intended_s))

    def _deal(self) -> Iterator[Seat]:
        for index, planned in enumerate(self.books.plan.rooms):
            self.books.ledger.open_room(index, len(planned.members))
            room = RoomState(index, planned.conversation_id, len(planned.members))
            for member, auth in enumerate(planned.members):
                yield room, member, auth
