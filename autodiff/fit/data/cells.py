"""One cell of a text table: a number, a missing value, or a mistake with a cure."""

from __future__ import annotations

import re

import numpy as np

from autodiff.fit.errors import excerpt

__all__ = [
    "has_decimal_comma",
    "has_thousands",
    "is_missing",
    "is_number",
    "number",
    "trouble",
]

_MISSING = frozenset(
    "na n/a #n/a <na> nan +nan -nan null none nil missing ? . - -- *".split()
) | {""}

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?\Z")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+\Z")
_MONEY = "$€£¥%"  # signs that people put beside numbers


def number(cell: str, decimal: str) -> float | None:
    """Return a cell as a number, NaN where it is missing, None where it is neither.

    Parameters
    ----------
    cell : str
        As it stands in the table.
    decimal : {'.', ','}
        How the table writes the decimal point.
    """
    if decimal == "," and "," in cell:
        if "." in cell or cell.count(",") > 1:
            return None
        cell = cell.replace(",", ".")
    elif decimal == "," and "." in cell and is_number(cell):
        return None
    try:
        value = float(cell)
    except ValueError:
        return np.nan if is_missing(cell) else None
    return value if is_number(cell) or value != value else None


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with a decimal point; infinity is one."""
    try:
        value = float(cell)
    except ValueError:
        return False
    return value == value and "_" not in cell and cell.isascii()


def is_missing(cell: str) -> bool:
    """Return whether a cell stands for a missing value."""
    return cell.strip().lower() in _MISSING


def has_decimal_comma(cell: str) -> bool:
    """Return whether a cell reads as a number with a decimal comma."""
    return _DECIMAL_COMMA.match(cell.strip()) is not None


def has_thousands(cell: str) -> bool:
    """Return whether the commas of a cell may separate thousands."""
    return _THOUSANDS.match(cell.strip()) is not None


def trouble(cell: str, decimal: str) -> tuple[str, str]:
    """Return the code and the words for a cell that is no number."""
    text = cell.strip()
    shown = excerpt(text)
    if decimal == "," and "." in text:
        cure = "write all decimal points alike"
        return "D117", f"{shown} has a point where other numbers have a comma; {cure}"
    if has_thousands(text) and "," in text:
        cure = "write numbers with a decimal point and no thousands separator"
        return "D117", f"{shown} is ambiguous; {cure}"
    if has_decimal_comma(text):
        cure = "write numbers with a decimal point, or all of them with a comma"
        return "D117", f"{shown} has a decimal comma where others have a point; {cure}"
    return "D108", f"{shown} is not a number; {_cure(text)}"


def _cure(text: str) -> str:
    bare = text.strip(_MONEY + " ")
    if bare != text and is_number(bare.replace(",", "")):
        return "leave out the unit"
    if text.startswith("#"):
        return "a formula of the spreadsheet failed; correct it"
    if is_number(re.sub(r"[ _',\u00a0\u202f]", "", text)):
        return "write numbers with a decimal point and no thousands separator"
    if is_number(text.replace("\N{MINUS SIGN}", "-")):
        return "write the minus sign as '-'"
    if is_number(re.sub("[dD]", "e", text)):
        return "write the exponent with 'e'"
    if re.match(r"[0-9]{1,4}[-/.][0-9]{1,2}([-/.][0-9]{1,4})?", text):
        return "a date is no number; give the time as a number, in days, say"
    if re.match(r"[0-9]{1,2}:[0-9]{2}", text):
        return "a time of day is no number; give it in hours, say"
    if text.lower() in ("true", "false"):
        return f"write 1 and 0, or compare the column with the word, == {text!r}"
    return (
        "correct the cell, or leave it empty for a missing value; a column of words "
        "can be used as levels, as in Vm[state]"
    )
