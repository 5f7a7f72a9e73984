"""What can go wrong in a fit, one class per exit code.

Every message is one line: what was wrong, where, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "DataError",
    "FitError",
    "FormulaError",
    "UsageError",
    "excerpt",
    "name_list",
    "suggestion",
]

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_NOT_CONVERGED = 4
EXIT_NOT_DETERMINABLE = 5


class FitError(ValueError):
    """An error of the user's input; `exit_code` is what a shell is told."""

    exit_code = EXIT_USAGE


class UsageError(FitError):
    """An option or argument that makes no sense."""


class DataError(FitError):
    """Data that cannot be read or do not hold what the formula needs."""

    exit_code = EXIT_DATA


class FormulaError(FitError):
    """A formula that cannot be understood.

    Parameters
    ----------
    message : str
        What was wrong and how to mend it, in one line.
    formula : str
        The whole formula.
    start, stop : int
        Where in `formula` the fault lies, counted from 0.
    """

    def __init__(self, message: str, formula: str, start: int, stop: int) -> None:
        self.formula = formula
        self.start = start
        self.stop = stop
        super().__init__(f"formula, character {start + 1}: {message}")

    def caret(self) -> str:
        """Return the formula with a caret under the faulty place, two lines."""
        left = max(0, self.start - 50)
        right = min(len(self.formula), max(self.stop, self.start + 1) + 25)
        shown = "".join(c if c.isprintable() else "?" for c in self.formula[left:right])
        head, tail = "..." * (left > 0), "..." * (right < len(self.formula))
        width = max(1, min(self.stop, right) - self.start)
        indent = " " * (len(head) + self.start - left)
        return f"  {head}{shown}{tail}\n  {indent}{'^' * width}"


def excerpt(text: str, limit: int = 40) -> str:
    """Return `text` quoted on one line, shortened to about `limit` characters."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def name_list(names: Iterable[object], limit: int = 12) -> str:
    """Return names joined with commas, at most `limit` of them."""
    all_names = [str(name) for name in names]
    shown = [name if len(name) <= 40 else name[:37] + "..." for name in all_names]
    more = f", ... ({len(shown)} in all)" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more


def suggestion(name: str, known: Iterable[object]) -> str:
    """Return '; did you mean ...?' when a known name is close, else ''."""
    candidates = [str(k) for k in known]
    if not candidates:
        return ""
    for candidate in candidates:
        if candidate.casefold() == name.casefold():
            return f"; did you mean {candidate!r}?"
    import difflib

    close = difflib.get_close_matches(name, candidates, n=1, cutoff=0.7)
    return f"; did you mean {close[0]!r}?" if close else ""
