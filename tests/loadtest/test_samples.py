from __future__ import annotations

from chatws_loadtest.samples import percentiles, spread


def test_percentile_is_the_sample_that_this_share_does_not_exceed() -> None:
    hundred = [number * 1_000 for number in range(1, 101)]
    result = percentiles(hundred[::-1])
    assert (result.count, result.p50_ms, result.p95_ms, result.p99_ms, result.max_ms) == (100, 50, 95, 99, 100)


def test_single_sample_is_every_percentile() -> None:
    result = percentiles([250_000])
    assert (result.p50_ms, result.p99_ms, result.max_ms) == (250, 250, 250)


def test_no_samples_give_a_count_of_zero() -> None:
    assert percentiles([]).count == 0


def test_spread_keeps_the_worst_run_visible() -> None:
    result = spread([3.0, 9.0, 1.0])
    assert (result.low, result.median, result.high) == (1.0, 3.0, 9.0)
