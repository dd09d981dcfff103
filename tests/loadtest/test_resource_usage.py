from __future__ import annotations

import pytest

from chatws_loadtest.resource_usage import ProcessUsage, ServerUsage


def sample(at_s: float, cpu_s: float, starved_s: float = 0.0, *, pid: int = 1) -> ProcessUsage:
    return ProcessUsage(pid, at_s, cpu_s, starved_s, 80_000_000)


def test_cores_and_starvation_are_computed_between_samples() -> None:
    usage = ServerUsage()
    assert usage.add(sample(0.0, 5.0, 1.0), is_measured=False) is None
    assert usage.add(sample(1.0, 5.5, 1.1), is_measured=False) == pytest.approx(0.5)
    assert usage.add(sample(3.0, 6.1, 1.7), is_measured=True) == pytest.approx(0.3)
    assert usage.cpu_s_while_measured == pytest.approx(0.6)
    assert usage.starved_share == pytest.approx(0.3)


def test_restarted_server_is_not_compared_with_the_old_process() -> None:
    usage = ServerUsage()
    usage.add(sample(0.0, 50.0, 9.0), is_measured=True)
    assert usage.add(sample(1.0, 0.2, pid=2), is_measured=True) is None
    assert (usage.cpu_s_while_measured, usage.starved_share) == (0.0, 0.0)


def test_reset_measurements_do_not_include_earlier_steps() -> None:
    usage = ServerUsage()
    usage.add(sample(0.0, 1.0), is_measured=True)
    usage.add(sample(1.0, 1.8, 0.5), is_measured=True)
    usage.reset_measurements()
    assert (usage.cpu_s_while_measured, usage.starved_share) == (0.0, 0.0)
    usage.add(sample(2.0, 2.0, 0.5), is_measured=True)
    assert usage.cpu_s_while_measured == pytest.approx(0.2)
