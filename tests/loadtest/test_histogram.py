from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatws_loadtest.histogram import HIGHEST_US, Histogram

samples = st.lists(st.integers(1, HIGHEST_US), min_size=1, max_size=60)


def nearest_rank(values: list[int], percent: float) -> int:
    """Return the exact percentile: the smallest value that this share does not exceed."""
    ordered = sorted(values)
    return ordered[max(1, -(-len(ordered) * round(percent * 10) // 1000)) - 1]


@settings(deadline=None, max_examples=25)
@given(samples, st.sampled_from([50.0, 90.0, 95.0, 99.0, 99.9, 100.0]))
def test_percentile_is_the_exact_one_within_a_thousandth(values: list[int], percent: float) -> None:
    exact = nearest_rank(values, percent)
    assert exact <= Histogram.of(values).percentile(percent) <= exact * 1.001 + 1


@settings(deadline=None, max_examples=25)
@given(st.lists(samples, min_size=1, max_size=4))
def test_merged_histograms_equal_one_of_all_samples(parts: list[list[int]]) -> None:
    merged = Histogram()
    for part in parts:
        merged.merge(Histogram.of(part))
    whole = Histogram.of([value for part in parts for value in part])
    assert merged.count == whole.count
    assert merged.curve() == whole.curve()


@settings(deadline=None, max_examples=25)
@given(samples)
def test_written_histogram_reads_back_the_same(values: list[int]) -> None:
    histogram = Histogram.of(values)
    copy = Histogram.decode(histogram.encode())
    assert (copy.count, copy.curve()) == (histogram.count, histogram.curve())


def test_sample_outside_of_the_range_counts_as_its_bound() -> None:
    histogram = Histogram.of([0, 10 * HIGHEST_US])
    assert histogram.count == 2
    assert histogram.min_us == 1
    assert histogram.max_us >= HIGHEST_US


def test_without_samples_there_is_no_curve() -> None:
    assert (Histogram().count, Histogram().percentile(95), Histogram().curve()) == (0, 0, [])


@pytest.mark.parametrize("text", ["", "nonsense", "SElTVEZBQVBCQUdCQUVBUUFBQUE="])
def test_invalid_encoding_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an encoded histogram"):
        Histogram.decode(text)
