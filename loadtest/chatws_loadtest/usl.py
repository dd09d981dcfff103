"""Fit of the Universal Scalability Law to measured throughput.

The law is X(N) = rate·N / (1 + contention·(N-1) + coherency·N·(N-1)). The fit minimizes the squared errors of X by
Gauss-Newton with halved steps. It starts from the linear fit of N/X, a polynomial in N. Confidence intervals of 95 %
follow from the Jacobian and Student's t with n - 3 degrees of freedom.
Source of the law: N. J. Gunther, Guerrilla Capacity Planning, 2007.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

MIN_LOADS: Final = 5
"""Different loads that a fit needs: three parameters, and two degrees of freedom for the confidence."""

PARAMETERS: Final = 3
MAX_ITERATIONS: Final = 100
MAX_HALVINGS: Final = 30
PRECISION: Final = 1e-10
"""Relative change of the parameters below which the fit has converged."""

STUDENT_T: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145)
"""Quantiles of 97.5 % for 1, 2, ... degrees of freedom."""
STUDENT_T_MANY: Final = 2.131
"""Quantile for 15 degrees of freedom; for more, the true value is at most 8 % lower."""

ROUNDING: Final = 1e-12
"""Smallest half-width of an interval: points without noise fit up to rounding errors, which are not significant."""

Matrix = list[list[float]]


class NoFit(Exception):
    """The points determine no curve; the text gives the reason."""


class Estimate(msgspec.Struct, frozen=True):
    """Value with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


class UslFit(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the law, with the throughput of a single user as the unit of cost."""

    rate: Estimate
    """Throughput of a single user."""
    contention: Estimate
    """Cost of waiting for a shared resource; it alone limits the throughput to rate/contention."""
    coherency: Estimate
    """Cost of work that each user causes for every other; throughput decreases beyond a peak."""
    peak: Estimate | None
    """Load of the highest throughput; None if coherency is not significant."""
    r_squared: float

    def throughput(self, load: float) -> float:
        """Return the throughput of the fitted curve."""
        return _throughput([self.rate.value, self.contention.value, self.coherency.value], load)


def fit_usl(points: Sequence[tuple[float, float]]) -> UslFit:
    """Fit the law to points of load (at least 1) and throughput (more than 0).

    Raises:
        NoFit: there are too few different loads, or the points determine no curve.
    """
    used = [(load, throughput) for load, throughput in points if load >= 1 and throughput > 0]
    loads = len({load for load, _ in used})
    if loads < MIN_LOADS:
        raise NoFit(f"not enough points: {loads} loads, {MIN_LOADS} needed")
    parameters = _iterate(used, _fit_linear(used))
    errors = [throughput - _throughput(parameters, load) for load, throughput in used]
    squares = sum(error**2 for error in errors)
    freedom = len(used) - PARAMETERS
    covariance = _covariance([_gradient(parameters, load) for load, _ in used], squares / freedom)
    quantile = STUDENT_T[freedom - 1] if freedom <= len(STUDENT_T) else STUDENT_T_MANY
    rate, contention, coherency = (
        _estimate(value, covariance[index][index], quantile) for index, value in enumerate(parameters)
    )
    mean = sum(throughput for _, throughput in used) / len(used)
    total = sum((throughput - mean) ** 2 for _, throughput in used)
    return UslFit(
        rate=rate,
        contention=contention,
        coherency=coherency,
        peak=_peak(contention, coherency, covariance, quantile),
        r_squared=1 - squares / total if total else 0.0,
    )


def _throughput(parameters: Sequence[float], load: float) -> float:
    rate, contention, coherency = parameters
    return rate * load / (1 + contention * (load - 1) + coherency * load * (load - 1))


def _gradient(parameters: Sequence[float], load: float) -> list[float]:
    """Return the derivatives of the throughput with respect to the parameters."""
    rate, contention, coherency = parameters
    cost = 1 + contention * (load - 1) + coherency * load * (load - 1)
    slope = -rate * load * (load - 1) / cost**2
    return [load / cost, slope, slope * load]


def _fit_linear(points: Sequence[tuple[float, float]]) -> list[float]:
    """Fit N/X = a + b(N-1) + cN(N-1), and return the parameters 1/a, b/a and c/a."""
    rows = [[1.0, load - 1, load * (load - 1)] for load, _ in points]
    a, b, c = _least_squares(rows, [load / throughput for load, throughput in points])
    # The noise of high loads can make `a` negative, which is no rate; the lightest load then gives it.
    if a <= 0:
        load, throughput = min(points)
        return [throughput / load, 0.0, 0.0]
    return [1 / a, b / a, c / a]


def _iterate(points: Sequence[tuple[float, float]], parameters: list[float]) -> list[float]:
    squares = _squares(points, parameters)
    if math.isinf(squares):
        load, throughput = min(points)
        parameters = [throughput / load, 0.0, 0.0]
        squares = _squares(points, parameters)
    for _ in range(MAX_ITERATIONS):
        errors = [throughput - _throughput(parameters, load) for load, throughput in points]
        step = _least_squares([_gradient(parameters, load) for load, _ in points], errors)
        for _ in range(MAX_HALVINGS):
            tried = [value + change for value, change in zip(parameters, step, strict=True)]
            if (found := _squares(points, tried)) <= squares:
                break
            step = [change / 2 for change in step]
        else:
            return parameters
        parameters, squares = tried, found
        if all(abs(change) <= PRECISION * abs(value) for value, change in zip(parameters, step, strict=True)):
            break
    return parameters


def _squares(points: Sequence[tuple[float, float]], parameters: Sequence[float]) -> float:
    """Return the sum of squared errors; infinite for parameters without meaning, which the iteration must not try."""
    rate, contention, coherency = parameters
    if rate <= 0 or any(1 + contention * (load - 1) + coherency * load * (load - 1) <= 0 for load, _ in points):
        return math.inf
    return sum((throughput - _throughput(parameters, load)) ** 2 for load, throughput in points)


def _peak(contention: Estimate, coherency: Estimate, covariance: Matrix, quantile: float) -> Estimate | None:
    """Return the load √((1-contention)/coherency), with the interval of the linear propagation of errors."""
    if coherency.low <= 0 or contention.value >= 1:
        return None
    peak = math.sqrt((1 - contention.value) / coherency.value)
    by_contention, by_coherency = -peak / (2 * (1 - contention.value)), -peak / (2 * coherency.value)
    variance = (
        by_contention**2 * covariance[1][1]
        + by_coherency**2 * covariance[2][2]
        + 2 * by_contention * by_coherency * covariance[1][2]
    )
    return _estimate(peak, variance, quantile)


def _estimate(value: float, variance: float, quantile: float) -> Estimate:
    margin = max(ROUNDING, quantile * math.sqrt(max(0.0, variance)))
    return Estimate(value, value - margin, value + margin)


def _least_squares(rows: Matrix, values: Sequence[float]) -> list[float]:
    """Solve the normal equations; columns are scaled, because N(N-1) is a million times larger than 1."""
    scales, scaled = _scale(rows)
    right = [sum(row[i] * value for row, value in zip(scaled, values, strict=True)) for i in range(PARAMETERS)]
    inverse = _invert(_normal(scaled))
    return [sum(inverse[i][j] * right[j] for j in range(PARAMETERS)) / scales[i] for i in range(PARAMETERS)]


def _covariance(rows: Matrix, variance: float) -> Matrix:
    scales, scaled = _scale(rows)
    inverse = _invert(_normal(scaled))
    return [[variance * inverse[i][j] / (scales[i] * scales[j]) for j in range(PARAMETERS)] for i in range(PARAMETERS)]


def _scale(rows: Matrix) -> tuple[list[float], Matrix]:
    scales = [math.sqrt(sum(row[i] ** 2 for row in rows)) or 1.0 for i in range(PARAMETERS)]
    return scales, [[value / scale for value, scale in zip(row, scales, strict=True)] for row in rows]


def _normal(rows: Matrix) -> Matrix:
    return [[sum(row[i] * row[j] for row in rows) for j in range(PARAMETERS)] for i in range(PARAMETERS)]


def _invert(matrix: Matrix) -> Matrix:
    """Invert a symmetric matrix of 3 by 3 by its cofactors.

    Raises:
        NoFit: it is singular.
    """
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if not determinant > 0:
        raise NoFit("the points determine no curve")
    cofactors = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    return [[value / determinant for value in row] for row in cofactors]
