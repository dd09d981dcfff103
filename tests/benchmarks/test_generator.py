from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.generator.implementations import GeneratorImplementation, NotInstalled, install
from benchmarks.generator.run import Folders, GeneratorRun, LoadSize, run_generator
from benchmarks.generator.thresholds import compare, describe_many_users
from chatws_loadtest.samples import Spread, percentiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("fork_bundled_servers")
@pytest.mark.parametrize(
    "implementation",
    [GeneratorImplementation.OURS, pytest.param(GeneratorImplementation.LOCUST, marks=pytest.mark.extended)],
)
async def test_generator_sends_on_schedule_and_every_message_is_acked(
    implementation: GeneratorImplementation, tmp_path: Path
) -> None:
    run = await run_generator(implementation, LoadSize(users=4, seconds=2.0), Folders(tmp_path, tmp_path), None)
    assert run.users == 4
    assert run.sent == run.ack.count == 8
    assert run.bare.count > 0
    assert run.ms_per_connect > 0
    assert run.server_cores > 0
    assert 0 <= run.server_starved <= 1


def test_generator_that_cannot_be_installed_gives_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(NotInstalled, match="Node or npm is missing"):
        install(GeneratorImplementation.ARTILLERY, tmp_path)
    for name in ("node", "npm"):
        (programs / name).write_text("#!/bin/sh\nexit 7\n")
        (programs / name).chmod(0o755)
    with pytest.raises(NotInstalled, match="exit code 7"):
        install(GeneratorImplementation.ARTILLERY, tmp_path)


def test_median_is_compared_with_each_target() -> None:
    spreads = {
        "us_per_message": Spread(low=200.0, median=271.0, high=400.0),
        "ms_per_connect": Spread(low=1.0, median=1.3, high=9.0),
        "kb_per_user": Spread(low=20.0, median=22.0, high=30.0),
        "excess_p99_ms": Spread(low=-1.0, median=-0.5, high=1.0),
    }
    assert [line.rpartition(": ")[2] for line in compare(spreads)] == ["MISSED", "reached", "reached", "reached"]


@pytest.mark.parametrize(
    ("sent", "acked", "cores", "starved", "verdict"),
    [
        (2_000, 2_000, 0.7, 0.3, "sustained"),
        (2_000, 2_000, 0.9, 0.3, "SATURATED"),
        (1_900, 1_900, 0.7, 0.9, "SATURATED"),
        (2_000, 1_500, 0.7, 0.3, "UNDECIDED, the server did not keep up"),
        (2_000, 1_500, 0.7, 0.9, "UNDECIDED, other processes used the server's core"),
    ],
)
def test_many_users_are_sustained_only_on_schedule_and_below_a_full_core(
    sent: int, acked: int, cores: float, starved: float, verdict: str
) -> None:
    run = GeneratorRun(
        implementation=GeneratorImplementation.OURS,
        users=200,
        seconds=10.0,
        sent=sent,
        us_per_message=300.0,
        ms_per_connect=1.0,
        kb_per_user=20.0,
        cores=cores,
        ack=percentiles([1_000] * acked),
        bare=percentiles([1_000]),
        server_cores=0.8,
        server_starved=starved,
    )
    assert describe_many_users(run).endswith(verdict)
