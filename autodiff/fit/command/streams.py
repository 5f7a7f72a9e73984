"""Where the command writes: results to standard output, all else to standard error.

Colour and progress are for terminals alone; `NO_COLOR` is respected (no-color.org). A
reader that goes away, or a closed output, ends the command without a traceback.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from autodiff.fit.errors import Note, UsageError
from autodiff.fit.output.style import Style

__all__ = [
    "abandon_output",
    "complain",
    "output_style",
    "prepare_output",
    "progress",
    "remark",
]

PATIENCE = 1.0  # seconds before anything is said about progress


def prepare_output() -> None:
    """Make sure that there is an output, and that it takes any name.

    Raises
    ------
    UsageError
        If standard output is closed.
    """
    if sys.stdout is None:
        raise UsageError("U171", "standard output is closed; send it somewhere")
    if isinstance(sys.stdout, io.TextIOWrapper):  # names the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Keep the interpreter from trying once more, and complaining, at its end."""
    with suppress(OSError, ValueError, AttributeError):  # no file behind it: well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str, *more: str) -> None:
    """Write a line to standard error, and further lines as they stand."""
    if sys.stderr is None:
        return
    text = "\n".join((f"autodiff: {' '.join(message.split())}", *more))
    encoding = sys.stderr.encoding or "ascii"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    with suppress(OSError, ValueError):  # nobody listens
        print(shown, file=sys.stderr)


def remark(note: Note, where: str = "") -> None:
    """Write a note to standard error."""
    complain(f"note: {where}{note.text} [{note.code}]")


def output_style() -> Style:
    """Return how standard output may be dressed."""
    return _style(sys.stdout)


def _style(stream: TextIO | Any) -> Style:
    is_terminal = _is_terminal(stream)
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    environment = os.environ
    colour = (
        is_terminal
        and not environment.get("NO_COLOR")
        and environment.get("TERM") != "dumb"
    )
    return Style(colour, encoding.replace("-", "") == "utf8", _width(is_terminal))


def _width(is_terminal: bool) -> int:
    try:
        return int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns if is_terminal else 80
    except (OSError, ValueError):
        return 80


def _is_terminal(stream: TextIO | Any) -> bool:
    try:
        return bool(stream is not None and stream.isatty())
    except ValueError:  # closed
        return False


@contextmanager
def progress(what: str, *, wanted: bool = True) -> Iterator[None]:
    """Tell on a terminal, once a second, that something is still under way.

    Parameters
    ----------
    what : str
        What takes long.
    wanted : bool
        Whether anything may be said at all.
    """
    if not (wanted and _is_terminal(sys.stderr)):
        yield
        return
    import threading
    import time

    done = threading.Event()
    begun = time.monotonic()

    def tell() -> None:
        told = False
        while not done.wait(PATIENCE):
            told = True
            print(
                f"\r{what}: {time.monotonic() - begun:.0f} s",
                end="",
                file=sys.stderr,
                flush=True,
            )
        if told:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
