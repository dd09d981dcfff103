"""State that the users of a load process share: the whole process's, and that of each conversation."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from chatws_loadtest.contents import MessageContents

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws_loadtest.ipc import Outage, WorkerPlan
    from chatws_loadtest.ledger import Ledger

now_s = time.perf_counter
UNKNOWN_IDENTITY = ("", "")


class SharedState:
    """Plan, ledger and counters that all users of a load process share."""

    def __init__(self, plan: WorkerPlan, ledger: Ledger) -> None:
        self.plan = plan
        self.ledger = ledger
        self.contents = MessageContents(
            plan.tag, seed=plan.seed, mean_chars=plan.workload.content_chars, run_tag=plan.run_tag
        )
        self.connections = 0
        self.requests = 0
        self.failures: Counter[str] = Counter()
        self.connect_error = ""
        """Reason of the last failed connection attempt."""
        self.outages: list[Outage] = []
        """Outages that ended since the last statistics."""
        self.on_failure: Callable[[str], None] = lambda _: None
        # Shared: the state of a generator is 2.5 kB, a tenth of the memory that a user may cost.
        self.backoff_rng = Random(plan.seed)

    def record_outage(self, outage: Outage) -> None:
        """Record the outage of a user."""
        self.outages.append(outage)

    def fail(self, what: str) -> None:
        """Count a failure."""
        self.failures[what] += 1
        self.on_failure(what)


class RoomState:
    """State of one conversation: its members, those present, and start times of typing."""

    def __init__(self, index: int, conversation_id: str, members: int) -> None:
        self.index = index
        self.conversation_id = conversation_id
        self.members = members
        self.identities = [UNKNOWN_IDENTITY] * members
        """User id and role of each member, as ``authenticated`` has named them."""
        self.present: set[int] = set()
        self.leaving: set[int] = set()
        """Members that send no further message before they leave."""
        self.visits = 0
        self.leave_at_s: float | None = None
        """Time after which members send no further message; they leave once no message is in flight."""
        self.typing_since_s: dict[str, float] = {}
