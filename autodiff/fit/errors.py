"""What can go wrong in a fit, one class per exit code.

Every message is one line: what was wrong, where, and how to mend it. Every error and
every note carries a code; ``pages/CODE.md`` explains it at length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "DataError",
    "FitError",
    "FormulaError",
    "Note",
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


class Note(NamedTuple):
    """A remark on a fit that is no error: its code and one sentence."""

    code: str
    text: str


class FitError(ValueError):
    """An error of the user's input; `exit_code` is what a shell is told.

    Parameters
    ----------
    code : str
        As ``D104``; the name of its page.
    message : str
        What was wrong, where, and how to mend it, in one line.
    """

    exit_code = EXIT_USAGE

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(code, message)

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class UsageError(FitError):
    """An option or argument that makes no sense."""


class DataError(FitError):
    """Data that cannot be read or do not hold what the formula needs."""

    exit_code = EXIT_DATA


class FormulaError(FitError):
    """A formula that cannot be understood.

    Parameters
    ----------
    code : str
        As ``F107``.
    message : str
        What was wrong and how to mend it, in one line.
    formula : str
        The whole formula.
    start, stop : int
        Where in `formula` the fault lies, counted from 0.
    source : str
        What the text is called in the message: ``formula``, or an option that holds
        an expression.
    """

    def __init__(
        self,
        code: str,
        message: str,
        formula: str,
        start: int,
        stop: int,
        source: str = "formula",
    ) -> None:
        self.formula = formula
        self.start = start
        self.stop = stop
        super().__init__(code, f"{source}, character {start + 1}: {message}")

    def __reduce__(self) -> tuple[object, ...]:
        place = (self.formula, self.start, self.stop)
        text = self.message.partition(": ")
        source = text[0].rpartition(", character ")[0]
        return type(self), (self.code, text[2], *place, source)

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
