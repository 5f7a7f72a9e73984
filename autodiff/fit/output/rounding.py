"""Write numbers for people: rounded by their errors, aligned.

Two significant digits of a standard error say all that it knows, and an estimate has no
digits beyond them. Files and JSON never come here: they keep all 17 digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["aligned", "short", "together"]

ERROR_DIGITS = 2
MOST_DIGITS = 15  # of a double, however small the error


def short(value: float | None, digits: int = 6) -> str:
    """Return a number in at most `digits` significant digits.

    Parameters
    ----------
    value : float or None
        None and NaN are not defined.
    digits : int
        Significant digits.

    Examples
    --------
    >>> short(0.30000000000000004), short(None)
    ('0.3', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits}g}"


def together(error: float | None, *values: float | None) -> tuple[str, ...]:
    """Return an error and values that it belongs to, rounded to the same place.

    Parameters
    ----------
    error : float or None
        A standard error; if it is zero or not defined, values keep twelve digits.
    *values : float or None
        The estimate first; it decides whether powers of ten are written.

    Returns
    -------
    tuple of str
        The error, then the values.

    Examples
    --------
    >>> together(2.70700752414, 238.942129179, 233.044)
    ('2.7', '238.9', '233.0')
    >>> together(7.26686884362e-06, 0.000550156431806)
    ('0.0000073', '0.0005502')
    >>> together(0.0, 5.000000000000001)
    ('0', '5')
    """
    if error is None or not math.isfinite(error) or error <= 0.0:
        return (short(error), *(short(value, 12) for value in values))
    # Rounding may carry into a digit more, 0.0996 to 0.10; the format knows.
    place = int(f"{error:.{ERROR_DIGITS - 1}e}".partition("e")[2]) - ERROR_DIGITS + 1
    texts = [_rounded(value, place) for value in values]
    plain = place >= -10 and not any("e" in text for text in texts[:1])
    shown = _fixed(error, place, 0) if plain else f"{error:.{ERROR_DIGITS - 1}e}"
    return (shown, *texts)


def _rounded(value: float | None, place: int) -> str:
    """Return a value rounded to ``10**place``."""
    if value is None or not math.isfinite(value):
        return short(value)
    size = int(f"{value:e}".partition("e")[2]) if value else place
    digits = min(size - place, MOST_DIGITS - 1)
    if -5 <= size < 7 and place > -MOST_DIGITS:
        return _fixed(value, max(place, size - MOST_DIGITS + 1), size)
    return f"{value:.{max(digits, 0)}e}"


def _fixed(value: float, place: int, size: int) -> str:
    if place <= 0:
        return f"{value:.{-place}f}"
    if max(size, place) > 6:
        return f"{value:.{ERROR_DIGITS - 1}e}"
    return f"{round(value, -place):.0f}"


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Return rows of cells as lines, in columns two blanks apart.

    Parameters
    ----------
    rows : sequence of sequence of str
        Cells; a row may be shorter than others.
    right : sequence of bool
        Whether a column stands to the right; one entry for each column.

    Examples
    --------
    >>> aligned([["w", "5"], ["offset", "12"]], [False, True])
    ['w        5', 'offset  12']
    """
    widths = [
        max((len(row[j]) for row in rows if j < len(row)), default=0)
        for j in range(len(right))
    ]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=False)
        ).rstrip()
        for row in rows
    ]
