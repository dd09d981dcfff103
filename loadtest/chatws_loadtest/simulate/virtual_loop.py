"""Event loop with a virtual clock, and the processes that run in it and can be killed."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVarTuple

Args = TypeVarTuple("Args")

_RESOLUTION_S = 1e-9
"""Difference below which two times are the same; rounding errors are smaller."""


class SimulationStalled(Exception):
    """Event loop without a timer: its main task waits for something that cannot happen."""


class SimulatedProcess:
    """Tasks and timers of one simulated process; what they start belongs to the process too."""

    def __init__(self) -> None:
        self.is_dead = False
        self.context = contextvars.copy_context()
        """Context in which the process's packets and notifications are handled."""
        self.context.run(_process.set, self)
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task of the process."""
        task = asyncio.get_running_loop().create_task(work, context=self.context.copy())
        assert task in self._tasks  # added by the event loop

    def kill(self) -> None:
        """End the process as `kill -9` does: timers never fire; tasks end, and their clean-up has no effect outside.

        The parts that connect the process to others read `is_dead`.
        """
        self.is_dead = True
        for task in list(self._tasks):
            task.cancel()

    def add_task(self, task: asyncio.Task[Any]) -> None:
        """Add a task; called by the event loop."""
        self._tasks[task] = None
        task.add_done_callback(self._remove_task)

    def run_timer(self, callback: Callable[[*Args], object], *args: *Args) -> None:
        """Call a timer's callback while the process lives."""
        if not self.is_dead:
            callback(*args)

    def _remove_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)


_process: contextvars.ContextVar[SimulatedProcess | None] = contextvars.ContextVar("simulated process", default=None)


def current_process() -> SimulatedProcess | None:
    """Return the process whose code runs now; None for code of the simulation itself."""
    return _process.get()


NO_PROCESS = contextvars.Context()
"""Context of callbacks that belong to no process, such as packets on their way."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop that never sleeps: when nothing is ready, its time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = _RESOLUTION_S
        self._selector = self
        """The base class waits for I/O by calling ``select``."""

    def time(self) -> float:
        """Return the virtual time, seconds since the start."""
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Advance the time instead of waiting.

        Raises:
            SimulationStalled: no timer is set.
        """
        if timeout is None:
            raise SimulationStalled
        if timeout > 0:
            # Beyond the timer by a bit: a rounding error would let it fire before its time, and again for ever.
            self._now += timeout + _RESOLUTION_S
        return []

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback, which a process that was killed meanwhile does not run."""
        process = _process.get() if context is None else context.get(_process)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, process.run_timer, callback, *args, context=context)

    def create_task(self, coro: Any, **options: Any) -> Any:  # noqa: ANN401  as in the base class
        """Start a task that ends when the process that started it is killed."""
        task = super().create_task(coro, **options)
        context = options.get("context")
        process = _process.get() if context is None else context.get(_process)
        if process is not None:
            process.add_task(task)
        return task

    def _process_events(self, event_list: list[object]) -> None:
        """Do nothing: there is no I/O."""

    def _write_to_self(self) -> None:
        """Do nothing: no thread calls the loop."""
