"""Arrays in twice the working precision: unevaluated sums ``high + low``.

Enough arithmetic to evaluate a design matrix and to refine a linear solution; about
31 digits where no function other than ``+ - * /`` and whole powers takes part. The
building blocks are Knuth's two-sum and Dekker's product (T. J. Dekker, "A
floating-point technique for extending the available precision", 1971).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Doubled"]

Array = npt.NDArray[np.float64]

_SPLITTER = 134217729.0  # 2**27 + 1
_MAX_POWER = 64


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the rounded sum and its exact error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the rounded product and its exact error."""
    product = a * b
    a_big, b_big = _SPLITTER * a, _SPLITTER * b
    a_high, b_high = a_big - (a_big - a), b_big - (b_big - b)
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + (
        a_low * b_low
    )
    return product, np.where(np.isfinite(error), error, 0.0)


class Doubled:
    """An array held as ``high + low``, `low` below half a unit of `high`."""

    __array_ufunc__ = None
    __slots__ = ("high", "low")

    def __init__(self, high: Any, low: Any = 0.0) -> None:
        self.high: Array = np.asarray(high, dtype=np.float64)
        self.low: Array = np.broadcast_to(np.asarray(low, float), self.high.shape)

    @staticmethod
    def of(value: Any) -> Doubled:
        """Return `value` as a `Doubled`."""
        return value if isinstance(value, Doubled) else Doubled(value)

    def __getitem__(self, index: Any) -> Doubled:
        return Doubled(self.high[index], self.low[index])

    def __neg__(self) -> Doubled:
        return Doubled(-self.high, -self.low)

    def __add__(self, other: Any) -> Doubled:
        b = Doubled.of(other)
        high, error = _two_sum(self.high, b.high)
        low, low_error = _two_sum(self.low, b.low)
        high, error = _two_sum(high, error + low)
        return Doubled(*_two_sum(high, error + low_error))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Doubled:
        return self + (-Doubled.of(other))

    def __rsub__(self, other: Any) -> Doubled:
        return Doubled.of(other) + (-self)

    def __mul__(self, other: Any) -> Doubled:
        b = Doubled.of(other)
        high, error = _two_product(self.high, b.high)
        error = error + (self.high * b.low + self.low * b.high)
        return Doubled(*_two_sum(high, error))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Doubled:
        b = Doubled.of(other)
        first = self.high / b.high
        rest = self - b * first
        second = rest.high / b.high
        rest = rest - b * second
        return Doubled(*_two_sum(first, second)) + rest.high / b.high

    def __rtruediv__(self, other: Any) -> Doubled:
        return Doubled.of(other) / self

    def __pow__(self, exponent: Any) -> Doubled:
        whole = isinstance(exponent, float) and exponent.is_integer()
        if not whole or abs(exponent) > _MAX_POWER:
            return Doubled(np.power(self.high, Doubled.of(exponent).high))
        result, square, count = Doubled(np.ones_like(self.high)), self, abs(exponent)
        while count:
            if count % 2:
                result = result * square
            count //= 2
            square = square * square if count else square
        return result if exponent >= 0 else 1.0 / result

    def __rpow__(self, base: Any) -> Doubled:
        return Doubled.of(base) ** self.high

    def _sign(self, other: Any) -> Array:
        rest = self - other
        sign: Array = np.where(rest.high != 0.0, rest.high, rest.low)
        return sign

    def __lt__(self, other: Any) -> Any:
        return self._sign(other) < 0.0

    def __le__(self, other: Any) -> Any:
        return self._sign(other) <= 0.0

    def __gt__(self, other: Any) -> Any:
        return self._sign(other) > 0.0

    def __ge__(self, other: Any) -> Any:
        return self._sign(other) >= 0.0

    def __eq__(self, other: object) -> Any:
        return self._sign(other) == 0.0

    def __ne__(self, other: object) -> Any:
        return self._sign(other) != 0.0

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def choose(condition: Any, a: Any, b: Any) -> Doubled:
        """Return `a` where a condition holds, else `b`."""
        holds = condition != 0 if isinstance(condition, Doubled) else condition
        a, b = Doubled.of(a), Doubled.of(b)
        return Doubled(np.where(holds, a.high, b.high), np.where(holds, a.low, b.low))

    def sum(self) -> Doubled:
        """Return the sum over the first axis, halving it again and again."""
        total = self
        while (n := len(total.high)) > 1:
            half = n // 2
            folded = total[:half] + total[half : 2 * half]
            if n % 2:
                folded = Doubled(
                    np.concatenate([folded.high, total.high[-1:]]),
                    np.concatenate([folded.low, total.low[-1:]]),
                )
            total = folded
        return total[0]
