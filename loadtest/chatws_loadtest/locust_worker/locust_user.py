"""Locust user class whose users run in a `UserPool`, and their measurements in Locust's own statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import gevent.event
from locust import User, task
from locust.env import Environment

from chatws_loadtest.ledger import Samples

if TYPE_CHECKING:
    from chatws_loadtest.locust_worker.user_pool import UserPool

SHOWN = frozenset({"connect", "message", "ack", "typing"})
"""Metrics that are included in Locust's statistics."""


class ScheduledLocustUser(User):
    """User with one connection, which sends messages on an open schedule."""

    pool: ClassVar[UserPool | None] = None
    """Pool of this process, set before the first user starts; None: the test cannot run."""

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


class ShownSamples(Samples):
    """Samples that are also reported to Locust, for its CSV files and its web page."""

    def __init__(self, environment: Environment) -> None:
        super().__init__()
        self._fire = environment.events.request.fire

    def add(self, metric: str, seconds: float) -> None:
        super().add(metric, seconds)
        if metric in SHOWN:
            self._fire(  # type: ignore[no-untyped-call]  # Locust's hooks are not typed
                request_type="chat",
                name=metric,
                response_time=seconds * 1000,
                response_length=0,
                exception=None,
                context={},
            )


def report_to_locust(environment: Environment, pool: UserPool) -> None:
    """Report the measurements and failures of a pool's users to Locust."""
    pool.shared.ledger.samples = ShownSamples(environment)

    def on_failure(what: str) -> None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust's hooks are not typed
            request_type="chat", name=what, response_time=None, response_length=0, exception=what, context={}
        )

    pool.shared.on_failure = on_failure
