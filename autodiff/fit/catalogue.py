"""The pages that explain codes: one file each in ``pages/``, read when asked for.

A page's first line is ``# Title``; the rest says what the code means, why, and what to
do. The pages are the one source of ``autodiff explain`` and of the documentation.
"""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

from autodiff.fit.errors import UsageError, suggestion

__all__ = ["FAMILIES", "Page", "codes", "page"]

FAMILIES = {
    "U": "Usage: options and arguments",
    "F": "Formulas",
    "D": "Data",
    "C": "Not converged",
    "N": "Not determinable",
    "W": "Warnings",
}


class Page(NamedTuple):
    """What a code means: its title and its text, in Markdown."""

    code: str
    title: str
    text: str


def codes() -> tuple[str, ...]:
    """Return every code that has a page, in the order of `FAMILIES`.

    Returns
    -------
    tuple of str
        The codes, without brackets.
    """
    folder = resources.files("autodiff.fit") / "pages"
    names = (file.name for file in folder.iterdir())
    found = [name[:-3] for name in names if name.endswith(".md")]
    order = list(FAMILIES)
    return tuple(sorted(found, key=lambda code: (order.index(code[0]), code)))


def page(code: str) -> Page:
    """Return the page of a code.

    Parameters
    ----------
    code : str
        As printed at the end of a message, in either case, with or without its
        brackets.

    Raises
    ------
    UsageError
        If there is no such code; the nearest one is named.

    Examples
    --------
    >>> page("d104").title
    'The data are empty'
    """
    wanted = code.strip().strip("[]").upper()
    known = codes()
    if wanted not in known:
        close = suggestion(wanted, known)
        cure = close or "; a code stands in brackets at the end of a message"
        raise UsageError("U110", f"there is no code {code[:20]!r}{cure}")
    folder = resources.files("autodiff.fit") / "pages"
    text = (folder / f"{wanted}.md").read_text(encoding="utf-8")
    title, _, rest = text.partition("\n")
    return Page(wanted, title.removeprefix("# ").strip(), rest.strip())
