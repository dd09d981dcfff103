"""Targets for the cost of chatws loadtest, and the comparison with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from chatws_loadtest.verdict import LEAST_DELIVERED, SUSPECT_CPU

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.generator.run import GeneratorRun
    from chatws_loadtest.samples import Spread


class CostTarget(NamedTuple):
    """A cost's title in the table, and the target for chatws loadtest."""

    title: str
    maximum: float


COST_TARGETS: Final = {
    "us_per_message": CostTarget("µs of CPU per message", 270.0),
    "ms_per_connect": CostTarget("ms of CPU per connect", 1.3),
    "kb_per_user": CostTarget("kB of RSS per user", 25.0),
    "excess_p99_ms": CostTarget("ack p99 above the bare client's, ms", 1.5),
}
"""Targets by attribute of `GeneratorRun`."""

STARVED: Final = 0.5
"""From this share of the time on, missing acks are attributed to other processes.

At 2,000 messages per second, the server's own writer thread accounts for a third of the time.
"""


def compare(spreads: Mapping[str, Spread]) -> Iterator[str]:
    """Compare the medians of one generator with the targets, one line each."""
    for name, (title, maximum) in COST_TARGETS.items():
        median = spreads[name].median
        yield f"{title}: {median:.2f}, target <= {maximum:g}: {'reached' if median <= maximum else 'MISSED'}"


def describe_many_users(run: GeneratorRun) -> str:
    """Describe whether one process sustained many users: all messages sent in time, and no core saturated.

    The verdict is undecided if messages were not acked, since a missing delivery costs the generator nothing. The text
    names the cause: the server was too slow, or other processes used its core.
    """
    sent_share = run.sent / (run.users * run.seconds)
    if run.cores > SUSPECT_CPU or sent_share < LEAST_DELIVERED:
        verdict = "SATURATED"
    elif run.is_complete:
        verdict = "sustained"
    else:
        reason = (
            "other processes used the server's core" if run.server_starved > STARVED else "the server did not keep up"
        )
        verdict = f"UNDECIDED, {reason}"
    return (
        f"{run.users} users on one process: {run.cores:.2f} cores, {sent_share:.1%} of the messages sent, "
        f"{run.ack.count} of {run.sent} acked; the server used {run.server_cores:.2f} cores and waited for its core "
        f"{run.server_starved:.0%} of the time: {verdict}"
    )
