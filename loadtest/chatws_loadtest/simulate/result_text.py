"""Results of ``chatws simulate`` as lines and as a JSON object."""

from __future__ import annotations

from pathlib import Path

from chatws_loadtest.simulate.campaign import Campaign, FailedSeed
from chatws_loadtest.simulate.invariants import BrokenInvariant
from chatws_loadtest.simulate.runner import RunResult
from chatws_loadtest.text_summary import count


def failure_lines(failure: FailedSeed, file: Path | None) -> list[str]:
    """Return the lines about a seed that failed; ``file`` has its reduced plan."""
    lines = [f"seed {failure.seed}: {_describe(failure.broken)}"]
    if failure.plan is not None:
        lines.append(f"  reduced from {failure.steps} to {count(len(failure.plan.steps), 'step')}:")
        lines += [f"  {line}" for line in failure.trace]
        lines.append(f"  repeat it: chatws simulate {file}")
    return lines


def replay_lines(result: RunResult) -> list[str]:
    """Return the trace of a repeated plan and its verdict."""
    verdict = "all invariants hold: pass" if result.broken is None else f"{_describe(result.broken)}: fail"
    return [*result.trace.lines(), f"trace {result.trace.digest()[:16]}", verdict]


def summary_line(campaign: Campaign) -> str:
    """Return the last line of a run of many seeds."""
    totals = campaign.totals
    seeds = max(1, totals.seeds)
    verdict = f"{count(len(campaign.failures), 'seed')} failed: fail" if campaign.failures else "pass"
    return (
        f"{count(totals.seeds, 'seed')}, each with {totals.actions / seeds:.0f} actions, {totals.faults / seeds:.1f} "
        f"faults, {totals.messages / seeds:.0f} stored messages and {totals.virtual_s / seeds:.0f} s of virtual time, "
        f"in {totals.cpu_s / seeds * 1000:.0f} ms of CPU time: {verdict}"
    )


def result_object(campaign: Campaign, out: Path) -> dict[str, object]:
    """Return the result of a run of many seeds for ``--json``."""
    totals = campaign.totals
    seeds = max(1, totals.seeds)
    return {
        "seeds": totals.seeds,
        "actions": totals.actions,
        "faults": totals.faults,
        "messages": totals.messages,
        "virtualS": round(totals.virtual_s, 1),
        "cpuMsPerSeed": round(totals.cpu_s / seeds * 1000, 1),
        "digest": campaign.digest,
        "failures": [_failure_object(failure, out) for failure in campaign.failures],
    }


def plan_file(failure: FailedSeed, out: Path) -> Path | None:
    """Return the file of a failure's plan; None if it was not reduced."""
    return None if failure.plan is None else out / f"simulate-{failure.seed}.yaml"


def _failure_object(failure: FailedSeed, out: Path) -> dict[str, object]:
    file = plan_file(failure, out)
    return {
        "seed": failure.seed,
        "invariant": failure.broken.name,
        "section": failure.broken.section,
        "promise": failure.broken.promise,
        "details": failure.broken.details,
        "steps": None if failure.plan is None else len(failure.plan.steps),
        "file": None if file is None else str(file),
        "trace": failure.trace,
    }


def _describe(broken: BrokenInvariant) -> str:
    return f"{broken.name} is broken. {broken.promise} {broken.details}"
