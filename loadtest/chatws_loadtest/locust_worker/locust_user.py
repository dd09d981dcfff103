"""Locust user class whose users run in a `UserPool`, and their measurements in Locust's own statistics."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import gevent.event
from gevent.pool import Group
from locust import User, task
from locust.env import Environment
from locust.stats import StatsEntry, bucket_response_time

from chatws_loadtest.ledger import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gevent import Greenlet
    from locust.stats import RequestStats

    from chatws_loadtest.locust_worker.user_pool import UserPool

REQUEST_TYPE = "chat"
"""Type of our measurements in Locust's statistics."""

SHOWN = frozenset({"connect", "message", "ack", "typing"})
"""Metrics that are included in Locust's statistics."""


class ScheduledLocustUser(User):
    """User with one connection, which sends messages on an open schedule."""

    pool: ClassVar[UserPool | None] = None
    """Pool of this process, set before the first user starts; None: the test cannot run."""

    drain_s: ClassVar[float] = 5.0
    """A user that is stopped waits this long for the messages of its room that are in flight."""

    index: int | None = None
    """Index of this user in the pool; None if the pool has no user for it."""

    @task
    def chat(self) -> None:
        """Run until the end of the test, then idle until Locust stops the user."""
        if self.pool is not None:
            self.index = self.pool.add_user()
            if self.index is not None:
                self.pool.run_user(self.index)
        gevent.event.Event().wait()

    def on_stop(self) -> None:
        """Disconnect, so that the other members of the room do not wait for this user."""
        if self.pool is not None and self.index is not None:
            self.pool.remove_user(self.index, self.drain_s)


class NewestFirstGroup(Group):  # type: ignore[misc]  # gevent's groups are not typed
    """Greenlets of Locust's users; Locust stops them in the order of iteration: the latest first, by whole rooms."""

    def __iter__(self) -> Iterator[Greenlet]:
        return iter(sorted(self.greenlets, key=_index, reverse=True))


def _index(greenlet: Greenlet) -> int:
    # gevent clears the arguments of a greenlet that has ended.
    user = greenlet.args[0] if greenlet.args else None
    return -1 if user is None or user.index is None else user.index


class ShownSamples(Samples):
    """Samples that are also reported to Locust, for its CSV files and its web page."""

    def __init__(self, environment: Environment) -> None:
        super().__init__()
        self._fire = environment.events.request.fire

    def add(self, metric: str, seconds: float) -> None:
        super().add(metric, seconds)
        if metric in SHOWN:
            self._fire(  # type: ignore[no-untyped-call]  # Locust's hooks are not typed
                request_type=REQUEST_TYPE,
                name=metric,
                response_time=seconds * 1000,
                response_length=0,
                exception=None,
                context={},
            )


class MergedSamples(Samples):
    """Samples that are merged into Locust's statistics when they are taken, once per second.

    An event for each sample, as `ShownSamples` fires it, takes a twentieth of the load process's CPU time.
    """

    def __init__(self, stats: RequestStats) -> None:
        super().__init__()
        self._stats = stats

    def take(self) -> dict[str, list[int]]:
        taken = super().take()
        for metric in sorted(SHOWN & taken.keys()):
            entry = self._make_entry(metric, [us / 1000 for us in taken[metric]])
            self._stats.entries[metric, REQUEST_TYPE].extend(entry)
            self._stats.total.extend(entry)
        return taken

    def _make_entry(self, metric: str, times_ms: list[float]) -> StatsEntry:
        at_s = time.time()
        entry = StatsEntry(self._stats, metric, REQUEST_TYPE)
        entry.num_requests = len(times_ms)
        entry.num_reqs_per_sec = {int(at_s): len(times_ms)}
        entry.last_request_timestamp = at_s
        entry.response_times = Counter(map(bucket_response_time, times_ms))
        # Locust declares integers, and adds the milliseconds of its own users, which are not whole.
        entry.total_response_time = sum(times_ms)  # type: ignore[arg-type]
        entry.min_response_time = min(times_ms)  # type: ignore[assignment]
        entry.max_response_time = max(times_ms)  # type: ignore[assignment]
        return entry


def report_to_locust(environment: Environment, pool: UserPool, *, has_listeners: bool) -> None:
    """Report the measurements and failures of a pool's users to Locust.

    ``has_listeners``: plugins of Locust may listen to its events, so that each measurement must be one.
    """
    pool.shared.ledger.samples = ShownSamples(environment) if has_listeners else MergedSamples(environment.stats)

    def on_failure(what: str) -> None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust's hooks are not typed
            request_type=REQUEST_TYPE, name=what, response_time=None, response_length=0, exception=what, context={}
        )

    pool.shared.on_failure = on_failure
