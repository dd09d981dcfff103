"""HDR histogram of latencies: merges without loss, percentiles within 0.1 %."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, compress, count
from typing import Final, NamedTuple

from hdrh.histogram import HdrHistogram

HIGHEST_US: Final = 600_000_000
"""Ten minutes; longer latencies count as ten minutes."""

SIGNIFICANT_DIGITS: Final = 3

CURVE: Final = (0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0)
"""Percentiles of the plotted curve."""


class Point(NamedTuple):
    """One point of the percentile curve."""

    percentile: float
    us: int


class Histogram:
    """Histogram of whole microseconds; a value read is at most 0.1 % above the recorded one."""

    def __init__(self) -> None:
        self._counts = HdrHistogram(1, HIGHEST_US, SIGNIFICANT_DIGITS)
        # Indices of the counters above zero, and the number of samples up to and including each of them; empty from a
        # change to the next read. hdrhistogram's own loops visit all of its thousands of counters for each value.
        self._used: list[int] = []
        self._totals: list[int] = []

    @classmethod
    def of(cls, samples_us: Iterable[int]) -> Histogram:
        """Create a histogram of these samples."""
        histogram = cls()
        histogram.record(samples_us)
        return histogram

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Decode the result of `encode`.

        Raises:
            ValueError: the text is not an encoded histogram.
        """
        histogram = cls()
        try:
            histogram._counts.decode_and_add(text)
        except Exception as problem:  # of hdrhistogram, zlib, binascii or struct
            raise ValueError(f"not an encoded histogram: {problem}") from problem
        return histogram

    def record(self, samples_us: Iterable[int]) -> None:
        """Record samples; those outside of 1 µs to 10 min count as the nearer bound."""
        self._used = self._totals = []
        record_value = self._counts.record_value
        for us in samples_us:
            record_value(1 if us < 1 else min(us, HIGHEST_US))

    def merge(self, other: Histogram) -> None:
        """Add another histogram, with the same result as if its samples had been recorded here."""
        self._used = self._totals = []
        self._counts.add(other._counts)

    @property
    def count(self) -> int:
        return int(self._counts.get_total_count())

    @property
    def mean_us(self) -> float:
        if not self.count:
            return 0.0
        counts = self._counts.counts
        sums = (sum(self._bounds(index)) * int(counts[index]) for index in self._find_used())
        return sum(sums) / 2 / self.count

    @property
    def min_us(self) -> int:
        return int(self._counts.get_min_value()) if self.count else 0

    @property
    def max_us(self) -> int:
        return self.percentile(100.0)

    def percentile(self, percent: float) -> int:
        """Return the value that ``percent`` of the samples do not exceed; 0 without samples."""
        count = self.count
        if not count:
            return 0
        rank = max(1, math.ceil(round(count * percent / 100, 6)))
        used = self._find_used()
        return self._bounds(used[bisect_left(self._totals, rank)])[1]

    def curve(self) -> list[Point]:
        """Return the percentile curve; empty without samples."""
        return [Point(percent, self.percentile(percent)) for percent in CURVE] if self.count else []

    def encode(self) -> str:
        """Encode in HdrHistogram's compressed format (V2, base64), which its tools read."""
        encoded: bytes = self._counts.encode()
        return encoded.decode("ascii")

    def _find_used(self) -> list[int]:
        if not self._used:
            counts = self._counts.counts[:]
            self._used = list(compress(count(), counts))
            self._totals = list(accumulate(filter(None, counts)))
        return self._used

    def _bounds(self, index: int) -> tuple[int, int]:
        """Return the lowest and the highest value of a counter."""
        low = int(self._counts.get_value_from_index(index))
        return low, int(self._counts.get_highest_equivalent_value(low))
