"""Data for the commands: the table that the arguments name."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from autodiff.fit.command.values import column_names
from autodiff.fit.data.columns import Columns
from autodiff.fit.errors import UsageError

__all__ = ["check_input", "table"]


def check_input(path: str) -> None:
    """Refuse to wait for a person to type a table.

    Raises
    ------
    UsageError
        If data shall come from standard input and that is a terminal.
    """
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError(
            "U173", "no data: name a file, or pipe a table into the command"
        )


def table(path: str, options: Namespace) -> Columns:
    """Return the table at a path, ``-`` for standard input.

    Parameters
    ----------
    path : str
        Of a file.
    options : Namespace
        With ``columns`` and ``skip``.
    """
    from autodiff.fit.data.text import read_table

    check_input(path)
    if options.skip is not None and options.skip < 0:
        raise UsageError("U184", f"--skip {options.skip}: a number of lines, 0 or more")
    more: dict[str, Any] = {} if options.skip is None else {"skip": options.skip}
    return read_table(path, columns=column_names(options.columns), **more)
