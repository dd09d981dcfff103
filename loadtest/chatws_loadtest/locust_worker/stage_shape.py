"""Load shape of a load process: the number of users of its current stage."""

from __future__ import annotations

from locust import LoadTestShape


class StageShape(LoadTestShape):
    """Users of the stage that was started last; Locust asks for them once per second and adds or stops users."""

    def __init__(self, users: int, spawn_rate: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust's shapes are not typed
        self._users = users
        self._spawn_rate = spawn_rate
        self._tick = users, spawn_rate

    def set_users(self, users: int) -> None:
        """Change the number of users: new ones connect at the spawn rate, those to stop are stopped at once."""
        self._tick = users, max(self._spawn_rate, float(self._users - users))
        self._users = users

    def tick(self) -> tuple[int, float]:
        return self._tick
