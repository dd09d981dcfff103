"""Pool of the simulated users of one load process: assigns rooms, and schedules connects, messages and visits."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

import gevent
import gevent.event

from chatws.client.gevent.transport_choice import TransportChoice
from chatws_loadtest.load_state import RoomState, SharedState, now_s
from chatws_loadtest.locust_worker.chat_user import ChatUser
from chatws_loadtest.locust_worker.room_replay import RoomReplay
from chatws_loadtest.locust_worker.room_replies import RoomReplies
from chatws_loadtest.rng import UserRng
from chatws_loadtest.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatws.client.errors import ClientError
    from chatws.client.gevent.endpoint import Endpoint
    from chatws_loadtest.ipc import WorkerPlan
    from chatws_loadtest.ledger import Ledger

TYPING_LEAD_S = 0.3
"""Time between the start of typing and the message; at more than one message per second, a share of their interval."""

STOP_SHARE = 1 / 3
"""Share of the times that a user types, in which it stops before it sends the message."""

PAUSE_S = 4.5
"""Time in a long warm-up in which one user of every tenth room types once and lets it expire, which takes 3 s."""
ROOMS_PER_PAUSE = 10

PAIR = 2
ROOMS_PER_ABSENCE = 5
"""In every fifth room, one member of a pair leaves later than the other, and must see it go offline."""

OFFLINE_MARGIN_S = 2.0
"""Time after the server's grace by which a user must be offline for its peers."""

FIRST_JOIN_TIMEOUT_S = 5.0
"""Time for which the other members of a room wait for the first one before they connect."""

POLL_S = 0.01
"""Interval at which a user checks whether the other members of its room have joined or left."""


UserAssignment = tuple[RoomState, int, dict[str, str]]
"""Room, index of the member in it, and credentials."""


class UserPool:
    """Users of one load process, by index; Locust gives each a greenlet, in which `run_user` runs."""

    def __init__(self, plan: WorkerPlan, ledger: Ledger, endpoint: Endpoint) -> None:
        self.shared = SharedState(plan, ledger)
        self.users: dict[int, ChatUser] = {}
        """Users by index; those of a room follow each other."""
        self.rate = plan.workload.rate
        self._missed = 0
        self._schedule = Schedule()
        self._endpoint = endpoint
        self._replays: dict[int, RoomReplay] = {}
        self._assignments = list(self._assign_rooms())
        # Indices without a user; the lowest is used first, so that the members of a room connect one after another.
        self._free = list(range(len(self._assignments)))
        # Earliest time at which the next user may connect.
        self._next_connect_s = now_s()
        # Time at which users start sending.
        self._start: gevent.event.AsyncResult = gevent.event.AsyncResult()
        # Set when users must not send any more.
        self._stopped_s: float | None = None

    @property
    def offered(self) -> int:
        """Number of messages scheduled so far, sent or not."""
        return self.shared.ledger.sent + self._missed

    def start_sending(self, at_s: float) -> None:
        """Let users send messages from ``at_s`` on."""
        if not self._start.ready():
            self._start.set(at_s)

    def stop_sending(self) -> None:
        """Let users send no further message."""
        self._stopped_s = now_s()

    def cut_connections(self) -> None:
        for user in self.users.values():
            user.cut()

    def wait_until_joined(self, users: int) -> ClientError | None:
        """Wait until this many users have joined their rooms; return the error if one never can."""
        while len(self.users) < users:
            gevent.sleep(POLL_S)
        for user in list(self.users.values()):
            problem: ClientError | None = user.joined.get()
            if problem is not None:
                return problem
        return None

    def add_user(self) -> int | None:
        """Create the next user and return its index; None if every member of every room exists."""
        if not self._free:
            return None
        index = heappop(self._free)
        room, member, _ = self._assignments[index]
        transport = self._transport_of(index)
        if self.shared.plan.transport is TransportChoice.MIX:
            self.shared.ledger.transports[room.index, member] = transport
        self.users[index] = ChatUser(self.shared, *self._assignments[index], self._endpoint, transport=transport)
        return index

    def remove_user(self, index: int, timeout_s: float) -> None:
        """Disconnect a user, once no message of its room is in flight, or after the timeout."""
        room, member, _ = self._assignments[index]
        deadline_s = now_s() + timeout_s
        room.leaving.add(member)
        while not self.shared.ledger.is_room_settled(room.index) and now_s() < deadline_s:
            gevent.sleep(POLL_S)
        self.users.pop(index).close()
        self.shared.ledger.leave(room.index, member)
        room.leaving.discard(member)
        heappush(self._free, index)

    def run_user(self, index: int) -> None:
        """Connect a user and send its messages until the end of the run."""
        room, member, auth = self._assignments[index]
        user = self.users[index]
        plan = self.shared.plan
        workload = plan.workload
        replay = self._replays.get(room.index)
        is_sender = workload.senders is None or member < workload.senders
        # Locust starts all users of a second at once; spread over the second, the measured connects do not queue.
        connect_s = max(now_s(), self._next_connect_s)
        self._next_connect_s = connect_s + 1 / plan.connects_per_s
        gevent.sleep(connect_s - now_s())
        if member:
            # The first member sees the others come online.
            room.first_joined.wait(FIRST_JOIN_TIMEOUT_S)
        if member not in room.late:
            user.connect()
        rng = UserRng(f"{plan.seed}/{index}/talk")
        start_s = self._start.get()
        if not room.has_all_members:
            # Under the ``locust`` command users start one by one; a message needs a peer that receives it.
            self._wait_for(lambda: room.has_all_members)
            start_s = now_s()
        if replay is not None:
            self._run(replay.steps(user, start_s, lambda: self._stopped_s is not None))
            return
        if workload.visit_s is None:
            if is_sender:
                self._run(self._send_messages(user, room, rng, start_s, float("inf")))
            return
        while self._stopped_s is None:
            self._visit(room, user, rng, workload.visit_s)
            if self._stopped_s is None:
                transport = self._transport_of(index)
                user = self.users[index] = ChatUser(
                    self.shared, room, member, auth, self._endpoint, transport=transport
                )
                user.connect()

    def _transport_of(self, index: int) -> TransportChoice:
        return self.shared.plan.transport.of_client(index)

    def _visit(self, room: RoomState, user: ChatUser, rng: UserRng, visit_s: float) -> None:
        """Send messages while all members are in the room; leave with them once no message is in flight."""
        self._wait_for(lambda: len(room.present) == room.members)
        if room.leave_at_s is None:
            room.visits += 1
            visit_seed = f"{self.shared.plan.seed}/{room.index}/{room.visits}"
            room.leave_at_s = now_s() + Random(visit_seed).uniform(0.5, 1.5) * visit_s
        self._run(self._send_messages(user, room, rng, now_s(), room.leave_at_s))
        room.leaving.add(user.member)
        ledger = self.shared.ledger
        self._wait_for(lambda: len(room.leaving) == room.members and ledger.is_room_settled(room.index))
        if self._stopped_s is not None:
            return
        if room.members == PAIR and room.index % ROOMS_PER_ABSENCE == 0 and user.member != 0:
            self._see_offline(room, user)
        user.close()
        room.presence.went_offline(user.user_id, room.peers(user.member), now_s())
        self._wait_for(lambda: not room.present)
        room.leave_at_s = None
        room.leaving.clear()

    def _see_offline(self, room: RoomState, user: ChatUser) -> None:
        """Stay until the first member has left, and is offline for this one, or should be."""
        self._wait_for(lambda: 0 not in room.present)
        deadline_s = now_s() + user.presence_grace_s + OFFLINE_MARGIN_S
        first_id, _ = room.identities[0]
        self._wait_for(lambda: room.presence.is_offline_seen(first_id) or now_s() > deadline_s)
        if self._stopped_s is None:
            room.presence.end_absence(first_id)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition is true, or users must not send any more."""
        while not condition() and self._stopped_s is None:
            gevent.sleep(POLL_S)

    def _run(self, steps: Iterator[float]) -> None:
        """Run scheduled actions to their end, or until Locust stops this user."""
        task = self._schedule.begin(steps)
        try:
            task.ended.wait()
        finally:
            task.stop()

    def _send_messages(
        self, user: ChatUser, room: RoomState, rng: UserRng, start_s: float, until_s: float
    ) -> Iterator[float]:
        """Send messages on a schedule that does not depend on the server; late ones are sent at once."""
        workload = self.shared.plan.workload
        warmup_s = self.shared.ledger.measure_from_s - start_s
        pauses = user.member == 0 and room.index % ROOMS_PER_PAUSE == 0 and warmup_s >= PAUSE_S
        if pauses:
            yield start_s
            user.start_typing(start_s)
            user.let_typing_expire()
            start_s += PAUSE_S
        scheduled_s = first_s = start_s + rng.random() / self.rate
        while scheduled_s < until_s:
            typing_s = scheduled_s - min(TYPING_LEAD_S, TYPING_LEAD_S / self.rate)
            # Typing before the first message would replace the one that must have expired.
            if rng.random() < workload.typing_share and not (pauses and scheduled_s == first_s):
                yield typing_s
                if self._stopped_s is not None:
                    break
                user.start_typing(typing_s)
                if rng.random() < STOP_SHARE:
                    yield (typing_s + scheduled_s) / 2
                    user.stop_typing()
            yield scheduled_s
            if self._stopped_s is not None:
                break
            user.send_message(scheduled_s)
            if rng.random() < workload.read_share:
                user.mark_read()
            if rng.random() < workload.history_share:
                user.read_history()
            scheduled_s += 1 / self.rate
        end_s = until_s if self._stopped_s is None else min(until_s, self._stopped_s)
        self._missed += max(0, int((end_s - scheduled_s) * self.rate) + (end_s >= scheduled_s))

    def _assign_rooms(self) -> Iterator[UserAssignment]:
        first = 0
        for planned in self.shared.plan.rooms:
            room = self.shared.add_room(planned.conversation_id, len(planned.members))
            self._let_answer(room, first)
            if (replay := self.shared.plan.replay) is not None:
                script = replay.scripts[replay.rooms[room.index]]
                self._replays[room.index] = RoomReplay(self.shared, room, script, replay.reply_timeout_s)
                self._let_join_later(room, script.late_members)
            first += len(planned.members)
            for member, auth in enumerate(planned.members):
                yield room, member, auth

    def _let_join_later(self, room: RoomState, members: set[int]) -> None:
        room.late |= members
        for member in members:
            self.shared.ledger.leave(room.index, member)
        if 0 in members:
            # The others do not wait for the first member.
            room.first_joined.set()

    def _let_answer(self, room: RoomState, first: int) -> None:
        """Let the members of a room answer if users think; ``first`` is the index of its first member."""
        plan = self.shared.plan
        if plan.workload.think_s is None:
            return

        def find_user(member: int) -> ChatUser | None:
            return self.users.get(first + member) if self._stopped_s is None else None

        replies = RoomReplies(
            room,
            self.shared.ledger,
            self._schedule,
            rng=UserRng(f"{plan.seed}/{room.index}/think"),
            think_s=plan.workload.think_s,
            find_user=find_user,
        )
        room.on_first_copy = replies.answer
