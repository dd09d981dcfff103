"""State that the users of a load process share: the whole process's, and that of each conversation."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import gevent.event

from chatws.client.mapping import GUIDE_MAPPING, CompiledMapping
from chatws_loadtest.chatlog.pseudonyms import Pseudonyms
from chatws_loadtest.chatlog.recorder import ChatlogRecorder
from chatws_loadtest.chatlog.writer import ChatlogWriter
from chatws_loadtest.checkers.presence_checker import PresenceChecker
from chatws_loadtest.checkers.read_checker import ReadChecker
from chatws_loadtest.checkers.typing_checker import TypingChecker
from chatws_loadtest.contents import MessageContents
from chatws_loadtest.indicators import add_indicators

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws_loadtest.deviations import DeviationLog
    from chatws_loadtest.indicators import IndicatorCounts
    from chatws_loadtest.ipc import Outage, WorkerPlan
    from chatws_loadtest.ledger import Ledger, LedgerEntry

now_s = time.perf_counter

UNKNOWN_IDENTITY = ("", "")
PAIR = 2


class SharedState:
    """Plan, ledger and counters that all users of a load process share."""

    def __init__(self, plan: WorkerPlan, ledger: Ledger) -> None:
        self.plan = plan
        self.ledger = ledger
        self.contents = MessageContents(
            plan.tag,
            seed=plan.seed,
            mean_chars=plan.workload.content_chars,
            lengths=plan.workload.lengths,
            run_tag=plan.run_tag,
        )
        # None: the guide's events, with or without the additions.
        self.mapping = None if plan.mapping == GUIDE_MAPPING else CompiledMapping(plan.mapping)
        self.recorder = _open_recorder(plan)
        """Recording of the traffic; None: it is not recorded."""
        self.rooms: list[RoomState] = []
        self.user_ids: set[str] = set()
        """Users that have connected so far."""
        self.connections = 0
        self.requests = 0
        self.failures: Counter[str] = Counter()
        self.connect_error = ""
        """Reason of the last failed connection attempt."""
        self.upgrade_error = ""
        """Reason of the last failed upgrade."""
        self.unprompted = 0
        """Replayed messages that were sent although those that they follow had not arrived."""
        self.outages: list[Outage] = []
        """Outages that ended since the last statistics."""
        self.on_failure: Callable[[str], None] = lambda _: None
        # Shared: the state of a generator is 2.5 kB, a tenth of the memory that a user may cost.
        self.backoff_rng = Random(plan.seed)

    def record_outage(self, outage: Outage) -> None:
        """Record the outage of a user."""
        self.outages.append(outage)

    def add_room(self, conversation_id: str, members: int) -> RoomState:
        """Add a conversation with this many members."""
        room = RoomState(len(self.rooms), conversation_id, members, self.ledger.deviations)
        self.ledger.open_room(room.index, members)
        self.rooms.append(room)
        return room

    def is_settled(self) -> bool:
        """Return whether nothing that was sent can still arrive."""
        at_s = now_s()
        return self.ledger.is_settled and all(room.is_settled(at_s) for room in self.rooms)

    def count_indicators(self) -> dict[str, IndicatorCounts]:
        """Count the indicators by kind; call it once, when no more events can arrive."""
        at_s = now_s()
        return add_indicators(room.count_indicators(at_s) for room in self.rooms)

    def fail(self, what: str) -> None:
        """Count a failure."""
        self.failures[what] += 1
        self.on_failure(what)


class RoomState:
    """State of one conversation: its members, those present, and what they announce to each other."""

    def __init__(self, index: int, conversation_id: str, members: int, log: DeviationLog) -> None:
        self.index = index
        self.conversation_id = conversation_id
        self.members = members
        self.identities = [UNKNOWN_IDENTITY] * members
        """User id and role of each member, as ``authenticated`` has named them."""
        self.connected = 0
        """Bit mask of the members that have joined on their current connection."""
        self.has_disconnects = False
        """Whether a connection has ended."""
        self.first_joined = gevent.event.Event()
        """Set once the first member has joined, or cannot."""
        self.typing = TypingChecker(log)
        self.presence = PresenceChecker(log)
        self.reads = ReadChecker(log)
        self.present: set[int] = set()
        self.late: set[int] = set()
        """Members of a replay that connect only after messages of the room."""
        self.leaving: set[int] = set()
        """Members that send no further message before they leave."""
        self.on_first_copy: Callable[[LedgerEntry, int, float], None] | None = None
        """Called with a message, the member that receives its first copy, and the time; None: no user answers."""
        self.visits = 0
        self.leave_at_s: float | None = None
        """Time after which members send no further message; they leave once no message is in flight."""

    @property
    def has_all_members(self) -> bool:
        """Whether every member is present, or joins later."""
        return len(self.present | self.late) >= self.members

    @property
    def is_complete(self) -> bool:
        """Whether every member has joined on its current connection."""
        return self.connected == (1 << len(self.identities)) - 1

    def peers(self, member: int) -> int:
        """Return the bit mask of the connected members that are other users."""
        identities = self.identities
        if len(identities) == PAIR:
            return self.connected & ~(1 << member) if identities[0][0] != identities[1][0] else 0
        user_id, _ = identities[member]
        peers = 0
        for index, (other_id, _) in enumerate(identities):
            if self.connected >> index & 1 and other_id != user_id:
                peers |= 1 << index
        return peers

    def drop(self, member: int) -> None:
        """Record that a member's connection has ended."""
        user_id, _ = self.identities[member]
        self.connected &= ~(1 << member)
        self.has_disconnects = True
        self.typing.drop(member)
        self.presence.drop(member, user_id)
        self.reads.drop(member, user_id)

    def is_settled(self, at_s: float) -> bool:
        """Return whether no announcement can still arrive."""
        return self.typing.is_settled(at_s) and self.presence.is_settled(at_s) and self.reads.is_settled(at_s)

    def count_indicators(self, at_s: float) -> dict[str, IndicatorCounts]:
        """Count the announcements by kind."""
        return {
            "typing": self.typing.finish(at_s),
            "presence": self.presence.finish(at_s, [user_id for user_id, _ in self.identities]),
            "read": self.reads.finish(at_s),
        }


def _open_recorder(plan: WorkerPlan) -> ChatlogRecorder | None:
    part = plan.chatlog
    if part is None:
        return None
    path = Path(part.file)
    writer = ChatlogWriter(path, "loadtest", part.url, with_content=part.with_content, start_s=part.start_s)
    names = Pseudonyms(with_ids=part.with_content, first=part.index, step=plan.processes)
    return ChatlogRecorder(writer, names, first=part.index, step=plan.processes)
