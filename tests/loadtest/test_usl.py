"""Fit of the Universal Scalability Law to curves with known parameters (1 s)."""

from __future__ import annotations

from random import Random

import pytest

from chatws_loadtest.usl import NoFit, fit_usl

LOADS = (60, 90, 120, 180, 250, 350, 500)


def usl(load: float, rate: float, contention: float, coherency: float) -> float:
    return rate * load / (1 + contention * (load - 1) + coherency * load * (load - 1))


@pytest.mark.parametrize(
    ("rate", "contention", "coherency"),
    [(1000.0, 0.03, 0.0002), (1.0, 0.0, 0.0), (2.5, 0.0005, 1e-6), (40.0, 0.2, 0.0), (1.0, 0.0, 1e-5)],
)
def test_fit_recovers_known_parameters(rate: float, contention: float, coherency: float) -> None:
    fit = fit_usl([(load, usl(load, rate, contention, coherency)) for load in (1, 2, 4, *LOADS)])
    assert fit.rate.value == pytest.approx(rate, rel=1e-6)
    assert fit.contention.value == pytest.approx(contention, rel=1e-5, abs=1e-9)
    assert fit.coherency.value == pytest.approx(coherency, rel=1e-5, abs=1e-11)
    assert fit.r_squared == pytest.approx(1)
    assert fit.throughput(100) == pytest.approx(usl(100, rate, contention, coherency))
    if coherency:
        assert fit.peak is not None
        assert fit.peak.value == pytest.approx(((1 - contention) / coherency) ** 0.5, rel=1e-4)


def test_confidence_intervals_contain_the_true_value_in_about_19_of_20_runs() -> None:
    rng, hits, runs = Random(7), 0, 300
    for _ in range(runs):
        fit = fit_usl([(load, usl(load, 1, 0.0005, 1e-6) + rng.gauss(0, 1)) for load in LOADS])
        hits += fit.contention.low <= 0.0005 <= fit.contention.high
    assert 0.9 < hits / runs < 0.99


def test_parameters_of_a_straight_line_are_not_significant() -> None:
    exact = fit_usl([(load, 2.0 * load) for load in LOADS])
    assert exact.rate.is_significant
    assert not exact.contention.is_significant
    assert not exact.coherency.is_significant
    assert exact.peak is None
    rng, significant, runs = Random(3), 0, 200
    for _ in range(runs):
        noisy = fit_usl([(load, load + rng.gauss(0, 1)) for load in LOADS])
        significant += noisy.contention.is_significant
    assert significant / runs < 0.1


def test_throughput_that_falls_beyond_a_load_has_a_significant_peak() -> None:
    fit = fit_usl([(load, min(load, 200.0) - max(0.0, load - 250) / 10) for load in LOADS])
    assert fit.peak is not None
    assert 150 < fit.peak.value < 500
    assert fit.coherency.is_significant


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(10.0, 10.0), (20.0, 19.0), (30.0, 28.0), (40.0, 36.0)],
        [(10.0, 10.0)] * 9,
        [(10.0, 0.0), (20.0, 0.0), (30.0, 0.0), (40.0, 0.0), (50.0, 0.0), (60.0, 1.0)],
    ],
)
def test_too_few_loads_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(NoFit, match="not enough points"):
        fit_usl(points)


def test_five_loads_are_enough() -> None:
    assert fit_usl([(load, usl(load, 1, 0.001, 0)) for load in LOADS[:5]]).contention.is_significant
