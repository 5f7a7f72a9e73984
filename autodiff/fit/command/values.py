"""Option values that are small texts of their own: ``b=1 in 0..inf``, ``tau=1/b``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autodiff.fit.errors import UsageError, excerpt

__all__ = ["assigned_numbers", "assigned_texts", "column_names", "starts_and_bounds"]

Bounds = dict[str, tuple[float, float]]


def starts_and_bounds(texts: Sequence[str]) -> tuple[dict[str, float], Bounds]:
    """Return start values and bounds by parameter.

    Parameters
    ----------
    texts : sequence of str
        ``NAME=VALUE``, ``NAME=VALUE in LOW..HIGH`` or ``NAME in LOW..HIGH``.

    Raises
    ------
    UsageError
        If a text is none of these, or a name comes twice.

    Examples
    --------
    >>> starts_and_bounds(["a=2", "b=1 in 0..inf"])
    ({'a': 2.0, 'b': 1.0}, {'b': (0.0, inf)})
    """
    start: dict[str, float] = {}
    bounds: Bounds = {}
    seen: set[str] = set()
    for text in texts:
        left, has_bounds, limits = _cut_bounds(text)
        name, equals, value = left.partition("=")
        name = _unquoted(name)
        _check_once("-p", name, seen)
        if not name or not (equals or has_bounds):
            raise _misunderstood(text)
        if equals:
            start[name] = _number(value, text)
        if has_bounds:
            bounds[name] = _interval(limits, text)
    return start, bounds


def _cut_bounds(text: str) -> tuple[str, bool, str]:
    """Split at the word ``in`` that stands before the bounds."""
    words = text.split()
    if "in" not in words[1:]:
        return text, False, ""
    at = len(words) - 1 - words[::-1].index("in")
    return " ".join(words[:at]), True, "".join(words[at + 1 :])


def _interval(text: str, whole: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = math.nan, math.nan
    if not dots or math.isnan(ends[0]) or math.isnan(ends[1]):
        raise UsageError(
            "U182",
            f"-p {excerpt(whole)}: bounds are LOW..HIGH, as in -p 'b=1 in 0..inf'",
        )
    if not ends[0] < ends[1]:
        cure = (
            f"; write {high}..{low}"
            if ends[0] > ends[1]
            else "; hold a parameter with --fix"
        )
        raise UsageError(
            "U182",
            f"-p {excerpt(whole)}: the lower bound {low} is not below the upper "
            f"bound {high}{cure}",
        )
    return ends


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _misunderstood(whole)
    return value


def _misunderstood(text: str) -> UsageError:
    cure = "as in -p b=1"
    if text.count("=") > 1:
        cure = "one -p for each, as in -p a=1 -p b=2"
    elif "<" in text or ">" in text:
        cure = "bounds are written as -p 'b in 0..inf'"
    return UsageError("U111", f"-p {excerpt(text)}: expected NAME=NUMBER, {cure}")


def assigned_numbers(texts: Sequence[str], option: str) -> dict[str, float]:
    """Return numbers by name, of ``NAME=NUMBER``.

    Parameters
    ----------
    texts : sequence of str
        What was given with the option.
    option : str
        For messages.

    Raises
    ------
    UsageError
        If a text is something else, or a name comes twice.
    """
    found = {}
    for name, value in assigned_texts(texts, option, "NUMBER", "b=2").items():
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if not math.isfinite(found[name]):
            raise UsageError(
                "U183",
                f"{option} {excerpt(f'{name}={value}')}: {excerpt(value)} is not a "
                "number; to compute it from other parameters use --tie",
            )
    return found


def assigned_texts(
    texts: Sequence[str], option: str, what: str = "EXPR", example: str = "tau=1/b"
) -> dict[str, str]:
    """Return expressions by name, of ``NAME=EXPR``; see `assigned_numbers`."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for text in texts:
        name, _, value = text.partition("=")
        name, value = _unquoted(name), value.strip()
        if not name or not value:
            raise UsageError(
                "U183",
                f"{option} {excerpt(text)}: expected NAME={what}, as in "
                f"{option} {example}",
            )
        _check_once(option, name, seen)
        found[name] = value
    return found


def _check_once(option: str, name: str, seen: set[str]) -> None:
    if name in seen:
        cure = " (start and bounds in one: 'b=1 in 0..inf')" if option == "-p" else ""
        raise UsageError("U118", f"{option} {name}: given twice; keep one{cure}")
    seen.add(name)


def _unquoted(name: str) -> str:
    name = name.strip()
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == "`" else name


def column_names(text: str | None, option: str = "--columns") -> list[str] | None:
    """Return names that commas separate; None where there is no text.

    Raises
    ------
    UsageError
        If one is empty.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError("U112", f"{option} {excerpt(text)}: an empty name; as in x,y")
    return names


def only_given(options: Mapping[str, object]) -> dict[str, object]:
    """Return the options that are there: neither None nor empty."""
    return {name: value for name, value in options.items() if value not in (None, {})}
