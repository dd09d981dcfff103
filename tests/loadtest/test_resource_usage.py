from __future__ import annotations

import pytest

from chatws_loadtest.resource_usage import ProcessUsage, ServerUsage


def reading(at_s: float, cpu_s: float, starved_s: float = 0.0, *, pid: int = 1) -> ProcessUsage:
    return ProcessUsage(pid, at_s, cpu_s, starved_s, 80_000_000)


def test_cores_and_waiting_are_those_between_two_readings() -> None:
    watched = ServerUsage()
    assert watched.note(reading(0.0, 5.0, 1.0), is_measured=False) is None
    assert watched.note(reading(1.0, 5.5, 1.1), is_measured=False) == pytest.approx(0.5)
    assert watched.note(reading(3.0, 6.1, 1.7), is_measured=True) == pytest.approx(0.3)
    assert watched.cpu_s_while_measured == pytest.approx(0.6)
    assert watched.starved_share == pytest.approx(0.3)


def test_server_that_was_started_again_begins_anew() -> None:
    watched = ServerUsage()
    watched.note(reading(0.0, 50.0, 9.0), is_measured=True)
    assert watched.note(reading(1.0, 0.2, pid=2), is_measured=True) is None
    assert (watched.cpu_s_while_measured, watched.starved_share) == (0.0, 0.0)
