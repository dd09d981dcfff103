"""The Locust side: a user class whose users play on a stage, and Locust's own statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import gevent.event
from locust import User, task
from locust.env import Environment

from chatws_loadtest.ledger import Samples

if TYPE_CHECKING:
    from chatws_loadtest.locust_worker.user_pool import UserPool

SHOWN = frozenset({"connect", "message", "ack", "typing"})
"""Metrics that Locust's statistics show, too."""


class ScheduledLocustUser(User):
    """One connection that talks on an open schedule."""

    stage: ClassVar[UserPool | None] = None
    """Set before the first user starts; a process has one."""

    turn: int | None = None
    """This user's place on the stage; None when all were taken."""

    @task
    def chat(self) -> None:
        """Play until the end of the run, then idle until Locust stops the user."""
        if self.stage is not None:
            self.turn = self.stage.enter()
            if self.turn is not None:
                self.stage.play(self.turn)
        gevent.event.Event().wait()


class ShownSamples(Samples):
    """Samples that Locust counts as well, for its CSV files and its web page."""

    def __init__(self, environment: Environment) -> None:
        super().__init__()
        self._fire = environment.events.request.fire

    def add(self, metric: str, seconds: float) -> None:
        """See `Samples`."""
        super().add(metric, seconds)
        if metric in SHOWN:
            self._fire(  # type: ignore[no-untyped-call]  # Locust's hooks take anything
                request_type="chat",
                name=metric,
                response_time=seconds * 1000,
                response_length=0,
                exception=None,
                context={},
            )


def show(environment: Environment, stage: UserPool) -> None:
    """Have Locust count what the users of a stage measure, and what fails."""
    stage.books.ledger.samples = ShownSamples(environment)

    def on_failure(what: str) -> None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust's hooks take anything
            request_type="chat", name=what, response_time=None, response_length=0, exception=what, context={}
        )

    stage.books.on_failure = on_failure
