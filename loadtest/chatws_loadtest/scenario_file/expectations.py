"""Expectations: compare the events that a person received with the patterns of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatws_loadtest.scenario_file.errors import StepFailed, StepNotJudgeable
from chatws_loadtest.scenario_file.event_log import ReceivedEvent, now_s
from chatws_loadtest.scenario_file.event_names import UNCOUNTED
from chatws_loadtest.scenario_file.patterns import ANY, EventPattern, mismatch

if TYPE_CHECKING:
    from chatws_loadtest.scenario_file.cast import Cast
    from chatws_loadtest.scenario_file.loop_lag import LoopLag
    from chatws_loadtest.scenario_file.person import Person

DEFAULT_TIMEOUT_S: Final = 5.0
"""Least time to wait for an event without ``within``."""

LATE_S: Final = 1.0
"""Further time to wait after ``within``, which tells a late event from a missing one."""


class Expectations:
    """Judge of the expectations of one run."""

    def __init__(self, cast: Cast, lag: LoopLag, reply_timeout_s: float) -> None:
        self._cast = cast
        self._timeout_s = max(DEFAULT_TIMEOUT_S, reply_timeout_s)
        self._lag = lag

    async def expect(
        self, person: Person, patterns: Sequence[EventPattern], within_s: float | None, since_s: float
    ) -> None:
        """Wait until the events have arrived in this order; ``within_s`` counts from ``since_s`` or from a return.

        Raises:
            StepFailed: an event is missing or late.
            StepNotJudgeable: it is late, and this program was delayed for as long.
            NotMapped: the mapping has no such event.
        """
        _require_mapped(person, patterns)
        if person.client.is_connected:
            await person.client.present()
        since_s = max(since_s, person.client.returned_s)
        deadline_s = now_s() + self._timeout_s if within_s is None else since_s + within_s
        after = 0
        for pattern in patterns:
            index = await self._wait(person, pattern, after, deadline_s + (LATE_S if within_s is not None else 0.0))
            limit = f" within {_format(within_s or self._timeout_s)}"
            if index is None:
                raise StepFailed(self._describe_missing(person, pattern, after), expected=pattern.text + limit)
            event, after = person.log.use(index), index + 1
            if within_s is not None and event.at_s > deadline_s:
                self._fail_late(event, pattern, within_s, since_s)

    async def expect_nothing(self, person: Person, patterns: Sequence[EventPattern], duration_s: float) -> None:
        """Watch for a time, which begins at the person's previous step.

        Raises:
            StepFailed: an event arrived that counts.
            NotMapped: the mapping has no such event.
        """
        _require_mapped(person, patterns)
        await person.client.present()
        until_s = now_s() + duration_s
        log, index = person.log, person.log.mark
        while True:
            while index < len(log.events):
                event = log.events[index]
                if self._counts(event, person, patterns):
                    log.set_mark()
                    expected = f"nothing for {_format(duration_s)}"
                    raise StepFailed(f"{event.name} arrived", expected=expected)
                index += 1
            if not await log.wait_for_next(until_s):
                log.set_mark()
                return

    async def _wait(self, person: Person, pattern: EventPattern, after: int, until_s: float) -> int | None:
        while (index := person.log.find(pattern, after, self._cast.resolve)) is None:
            if not await person.log.wait_for_next(until_s):
                return None
        return index

    def _counts(self, event: ReceivedEvent, person: Person, patterns: Sequence[EventPattern]) -> bool:
        for pattern in patterns:
            matches = event.name == pattern.name and not mismatch(pattern.payload, event.payload, self._cast.resolve)
            if matches and (pattern.payload != ANY or not person.is_own(event.payload)):
                return True
        return not patterns and event.name not in UNCOUNTED and not person.is_own(event.payload)

    def _fail_late(self, event: ReceivedEvent, pattern: EventPattern, within_s: float, since_s: float) -> None:
        delay_s = event.at_s - since_s
        lag_s = self._lag.longest_since(since_s)
        reason = f"{pattern.name} arrived after {_format(delay_s)}"
        if delay_s - lag_s <= within_s:
            raise StepNotJudgeable(f"{reason}, but this program itself was delayed by {_format(lag_s)}")
        raise StepFailed(reason, expected=f"{pattern.text} within {_format(within_s)}")

    def _describe_missing(self, person: Person, pattern: EventPattern, after: int) -> str:
        resolve = self._cast.resolve
        for event in reversed(person.log.unused(pattern.name)):
            if reason := mismatch(pattern.payload, event.payload, resolve):
                return f"{pattern.name} arrived, but {reason}"
        earlier = [*person.log.used(pattern.name), *person.log.events[:after]]
        if any(
            event.name == pattern.name and not mismatch(pattern.payload, event.payload, resolve) for event in earlier
        ):
            return f"such a {pattern.name} arrived only before an event that was expected earlier"
        if not person.client.is_connected:
            return "the person is not connected"
        return f"no {pattern.name} arrived"


def _require_mapped(person: Person, patterns: Sequence[EventPattern]) -> None:
    """Check that the mapping offers the events, so that their absence is a conclusion about the server."""
    for pattern in patterns:
        person.client.require_event(pattern.name)


def _format(duration_s: float) -> str:
    """Format a duration in the unit that the file would use."""
    return f"{duration_s:g} s" if duration_s >= 1 else f"{duration_s * 1000:.0f} ms"
