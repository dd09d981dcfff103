"""Text output of a run: one line for each step, and an explanation of the step that did not pass."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from chatws_loadtest.scenario_file.patterns import show
from chatws_loadtest.scenario_file.play_report import PlayReport, StepOutcome
from chatws_loadtest.text_summary import count
from chatws_loadtest.verdict import Outcome

if TYPE_CHECKING:
    from chatws_loadtest.scenario_file.play_report import StepResult

LABELS: Final = {
    StepOutcome.PASS: "ok",
    StepOutcome.FAIL: "FAIL",
    StepOutcome.INVALID: "INVALID",
    StepOutcome.NOT_RUN: "-",
}
LABEL_WIDTH: Final = 8
TIME_WIDTH: Final = 10
PAYLOAD_LINES: Final = 4
"""Lines of a payload in a terminal; a pipe gets it whole, on one line."""

WORDS: Final = {Outcome.PASS: "pass", Outcome.FAIL: "FAIL", Outcome.INVALID: "INVALID"}


def describe_step(step: StepResult, file: str, width: int | None) -> Iterator[str]:
    """Yield the lines of one step; ``width`` is that of the terminal, None for a pipe, which gets whole lines."""
    time = "" if step.outcome is StepOutcome.NOT_RUN else f"{step.duration_s * 1000:,.0f} ms"
    label = f"{LABELS[step.outcome]:<{LABEL_WIDTH}}"
    if width is None:
        yield f"{label}{step.text}  {time}".rstrip()
    else:
        room = max(10, width - LABEL_WIDTH - TIME_WIDTH)
        yield f"{label}{_shorten(step.text, room):<{room}}{time:>{TIME_WIDTH}}".rstrip()
    if step.outcome not in {StepOutcome.PASS, StepOutcome.NOT_RUN}:
        yield from _explain(step, file, width)


def describe_result(report: PlayReport) -> str:
    """Return the last line: how many steps passed, and the outcome."""
    counts = {outcome: sum(step.outcome is outcome for step in report.steps) for outcome in StepOutcome}
    parts = [f"{counts[StepOutcome.PASS]} of {count(len(report.steps), 'step')} passed"]
    parts += [f"{counts[outcome]} {outcome}" for outcome in (StepOutcome.NOT_RUN,) if counts[outcome]]
    outcome = "stopped" if report.stopped else WORDS[report.outcome]
    return f"{', '.join(parts)} in {report.duration_s:.1f} s: {outcome}"


def _explain(step: StepResult, file: str, width: int | None) -> Iterator[str]:
    indent = " " * LABEL_WIDTH
    yield from _wrap(f"{file}:{step.line}:{step.column}", indent, width)
    person = f"{step.person}: " if step.person else ""
    yield from _wrap(f"{person}{step.reason}", indent, width)
    if step.expected:
        yield from _wrap(f"expected: {step.expected}", indent, width)
    if not step.person:
        return
    if not step.arrived:
        yield f"{indent}{step.person} received no event"
        return
    yield f"{indent}last events of {step.person}:"
    for event in step.arrived:
        after_ms = round((event.after_s - step.started_s) * 1000)
        line = f"{after_ms:+,} ms {event.name} {show(event.payload)}"
        yield from list(_wrap(line, f"{indent}  ", width))[:PAYLOAD_LINES]


def _wrap(text: str, indent: str, width: int | None) -> list[str]:
    if width is None:
        return [indent + text]
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)


def _shorten(text: str, room: int) -> str:
    return text if len(text) < room else f"{text[: room - 2]}…"
