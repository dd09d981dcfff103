"""Event loop with a virtual clock, and the processes that run in it and can be killed."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVarTuple

Args = TypeVarTuple("Args")


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

    def _remove_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)


_process: contextvars.ContextVar[SimulatedProcess | None] = contextvars.ContextVar("simulated process", default=None)


def current_process() -> SimulatedProcess | None:
    """Return the process whose code runs now; None for code of the simulation itself."""
    return _process.get()


NO_PROCESS = contextvars.Context()
"""Context of callbacks that belong to no process, such as packets on their way."""


class VirtualHandle(asyncio.TimerHandle):
    """Callback of the event loop; it does not run if its process is dead by then.

    Creating and cancelling one of the base class takes three times as long.
    """

    __slots__ = ("process",)

    def __init__(  # noqa: PLR0917  the arguments of the base class, and the process
        self,
        when: float,
        callback: Callable[[*Args], object],
        args: tuple[*Args],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
        process: SimulatedProcess | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = False
        self.process = process

    def cancel(self) -> None:
        """Cancel the callback; the event loop drops it at its time."""
        self._cancelled = True
        self._callback, self._args = None, ()


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop that never sleeps: when nothing is ready, its time jumps to the next timer.

    Timers of the same time fire in the order in which they were set.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._ready: deque[VirtualHandle]
        self._stopping: bool
        self._timers: list[tuple[float, int, VirtualHandle]] = []
        """Heap of tuples, which are compared ten times as fast as the handles in the heap of the base class."""
        self._timer_count = 0

    def time(self) -> float:
        """Return the virtual time, seconds since the start."""
        return self._now

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> VirtualHandle:
        """Schedule a callback after a delay."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> VirtualHandle:
        """Schedule a callback, which a process that was killed meanwhile does not run."""
        process = _process.get() if context is None else context.get(_process)
        timer = VirtualHandle(when, callback, args, self, context, process)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def call_soon(
        self,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> VirtualHandle:
        """Schedule a callback for the next iteration; that of a process runs even if it was killed meanwhile."""
        return self._call_soon(callback, args, context)

    def create_task(self, coro: Any, **options: Any) -> Any:  # noqa: ANN401  as in the base class
        """Start a task that ends when the process that started it is killed."""
        task = super().create_task(coro, **options)
        context = options.get("context")
        process = _process.get() if context is None else context.get(_process)
        if process is not None:
            process.add_task(task)
        return task

    def _call_soon(
        self, callback: Callable[[*Args], object], args: tuple[*Args], context: contextvars.Context | None
    ) -> VirtualHandle:
        """Schedule a callback; the base class calls this for `call_soon_threadsafe`."""
        handle = VirtualHandle(self._now, callback, args, self, context, None)
        self._ready.append(handle)
        return handle

    def _run_once(self) -> None:
        """Run what is ready, or advance the time to the next timer.

        Raises:
            SimulationStalled: nothing is ready and no timer is set.
        """
        ready, timers = self._ready, self._timers
        while timers and (not ready or timers[0][0] <= self._now):
            when, _, timer = heapq.heappop(timers)
            if not timer._cancelled:  # noqa: SLF001  a call of `cancelled` costs as much as the rest of the line
                self._now = max(self._now, when)
                ready.append(timer)
        if not ready and not self._stopping:
            raise SimulationStalled
        for _ in range(len(ready)):
            handle = ready.popleft()
            process = handle.process
            if not (handle._cancelled or (process is not None and process.is_dead)):  # noqa: SLF001  likewise
                handle._run()  # noqa: SLF001  as the base class does

    def _process_events(self, event_list: list[object]) -> None:
        """Do nothing: there is no I/O."""

    def _write_to_self(self) -> None:
        """Do nothing: no thread calls the loop."""
