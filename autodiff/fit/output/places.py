"""Files that are to be written: refused early, and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from autodiff.fit.errors import UsageError, excerpt, suggestion

__all__ = ["check_apart", "check_picture", "check_writable", "write_whole"]

SUFFIXES = (".png", ".svg", ".pdf")


def check_picture(path: str) -> None:
    """Refuse a file that no picture can be drawn into.

    Raises
    ------
    UsageError
        If the suffix is unknown or the place cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        close = suggestion(suffix, SUFFIXES) if suffix else ""
        raise UsageError(
            "U178",
            f"--plot {excerpt(path, 80)}: a name that ends in .png, .svg or .pdf is "
            f"expected{close}; for a plot in the terminal write --plot at the end",
        )
    check_writable(path, "--plot")


def check_writable(path: str, option: str) -> None:
    """Refuse a file that cannot be written.

    Parameters
    ----------
    path : str
        Of a file that may be there already.
    option : str
        For the message.

    Raises
    ------
    UsageError
        If it is a folder, in no folder, or not permitted.
    """
    try:
        place = Path(path)
        folder = place.parent
        if place.is_dir():
            fault = "is a directory; name a file in it"
        elif not folder.is_dir():
            fault = f"there is no directory {str(folder)!r}; make it first"
        elif not os.access(place if place.exists() else folder, os.W_OK):
            fault = "no permission to write there; choose another place"
        else:
            return
    except (OSError, ValueError) as error:
        fault = str(getattr(error, "strerror", None) or error)
    raise UsageError("U180", f"{option} {excerpt(path, 80)}: {fault}")


def check_apart(path: str, option: str, source: str) -> None:
    """Refuse to write over the data.

    Parameters
    ----------
    path, option : str
        What is to be written, and what asks for it.
    source : str
        The file of the data.

    Raises
    ------
    UsageError
        If both are one file.
    """
    try:
        is_same = Path(path).samefile(source)
    except (OSError, ValueError):  # one of them is not there
        return
    if is_same:
        raise UsageError(
            "U180",
            f"{option} {excerpt(path, 80)}: this is the file of the data, which would "
            "be lost; name another",
        )


def _mode(place: Path) -> int:
    """Return the permissions of a file, or those that a new one gets."""
    if place.exists():
        return place.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def write_whole(path: str, content: bytes, option: str) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    check_writable(path, option)
    place = Path(path)
    try:
        place = place.resolve()  # what a link points to is written, not the link
        if place.exists() and not place.is_file():  # /dev/stdout and its like
            place.write_bytes(content)
            return
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".autodiff-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(_mode(place))
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            "U180", f"{option} {excerpt(path, 80)}: {error.strerror or error}"
        ) from None
