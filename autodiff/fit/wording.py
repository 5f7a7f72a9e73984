"""Messages in the words of Python.

Messages are written once, in the words of the shell: ``-p b=1``, ``--loss-scale``. What
is told to Python code goes through here: ``start={'b': 1}``, ``loss_scale``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from autodiff.fit.errors import FitError, Note

__all__ = ["in_python", "note_in_python", "speaks_python"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_NAME = r"(`[^`]+`|[^\W\d][\w.]*(?:\[[^\]]*\])?)"
_PAIR = re.compile(rf"(?:-p|--fix) {_NAME}=([-+.\w]*\w)")
_PAIRS = re.compile(rf"{_PAIR.pattern}(?: {_PAIR.pattern})*")
_BOUNDS = re.compile(rf"-p '{_NAME} in \.\.\.'")
_COLUMNS = re.compile(r"--columns (\w+(?:,\w+)*)")
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
_PARAMETER = re.compile(rf"(?<![\w-])-p {_NAME}(?=:)")
_SHORT = re.compile(r"(?<![\w-])-p\b")


def in_python(text: str) -> str:
    """Return a message with options in the words of Python.

    Parameters
    ----------
    text : str
        In the words of the shell.

    Examples
    --------
    >>> in_python("--loss-scale 0: a positive number; start with -p a=1 -p b=2")
    "loss_scale 0: a positive number; start with start={'a': 1, 'b': 2}"
    """
    text = _BOUNDS.sub(lambda found: f"bounds of {found[1]}", text)
    text = _PAIRS.sub(_as_mapping, text)
    text = _COLUMNS.sub(lambda found: f"columns={found[1].split(',')}", text)
    text = _PARAMETER.sub(lambda found: f"start of {found[1]}", text)
    text = _SHORT.sub("start={...}", text)
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), text)


def _as_mapping(found: re.Match[str]) -> str:
    pairs = (f"{name.strip('`')!r}: {v}" for name, v in _PAIR.findall(found[0]))
    word = "fix" if found[0].startswith("--fix") else "start"
    return f"{word}={{{', '.join(pairs)}}}"


def note_in_python(note: Note) -> Note:
    """Return a note in the words of Python."""
    return note._replace(text=in_python(note.text))


def speaks_python(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make the errors of a function speak in the words of Python."""

    @wraps(function)
    def speaking(*args: Arguments.args, **more: Arguments.kwargs) -> Result:
        try:
            return function(*args, **more)
        except FitError as error:
            error.message = in_python(error.message)
            error.args = (error.code, error.message)
            raise

    return speaking
