"""What our generator is meant to cost, and whether it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from chatws_loadtest.verdict import LEAST_DELIVERED, SUSPECT_CPU

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.generator.run import GeneratorRun
    from chatws_loadtest.samples import Spread


class CostThreshold(NamedTuple):
    """One row of the table: what is measured, and the most it may be for a generator of ours."""

    title: str
    most: float


FIGURES: Final = {
    "us_per_message": CostThreshold("µs of CPU per message", 270.0),
    "ms_per_connect": CostThreshold("ms of CPU per connect", 1.3),
    "kb_per_user": CostThreshold("kB per user", 25.0),
    "excess_p99_ms": CostThreshold("ack p99 above a bare client's, ms", 1.5),
}


STARVED: Final = 0.5
"""Share of the time from which on a server cannot be blamed; its own writer takes a third of it at 2,000 a second."""


def judge(spreads: Mapping[str, Spread]) -> Iterator[str]:
    """Compare the medians of one contender with the targets, a line for each."""
    for name, (title, most) in FIGURES.items():
        median = spreads[name].median
        yield f"{title}: {median:.2f}, wanted at most {most:g}: {'reached' if median <= most else 'MISSED'}"


def judge_many(trial: GeneratorRun) -> str:
    """Say whether one process carried many users: everything sent in time, and no core used up.

    Where the server left messages without an ack that cannot be told: what never arrives costs nothing to receive.
    Whether that was the server's own fault or that of others on its core, is said.
    """
    share = trial.sent / (trial.users * trial.seconds)
    if trial.cores > SUSPECT_CPU or share < LEAST_DELIVERED:
        verdict = "SATURATED"
    elif trial.is_complete:
        verdict = "carried"
    else:
        reason = "others had the server's core" if trial.server_starved > STARVED else "the server did not keep up"
        verdict = f"UNDECIDED, {reason}"
    return (
        f"{trial.users} users on one process: {trial.cores:.2f} cores, {share:.1%} of the messages sent, "
        f"{trial.ack.count} of {trial.sent} acked; the server used {trial.server_cores:.2f} cores and was kept off its "
        f"core for {trial.server_starved:.0%} of the time: {verdict}"
    )
