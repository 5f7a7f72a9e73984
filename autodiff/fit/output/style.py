"""Colour and characters that a terminal can show, and nobody else has to.

Whoever writes text takes a `Style`; the plain one changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PLAIN", "Style"]


class Style(NamedTuple):
    """How text may be dressed.

    Attributes
    ----------
    colour : bool
        Whether escape sequences for colours are understood.
    unicode : bool
        Whether characters beyond ASCII can be shown.
    width : int
        Columns of the terminal.
    """

    colour: bool = False
    unicode: bool = False
    width: int = 80

    def good(self, text: str) -> str:
        """Dress what can be relied on."""
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """Dress what cannot."""
        return self._paint("31", text)

    def careful(self, text: str) -> str:
        """Dress what wants attention."""
        return self._paint("33", text)

    def faint(self, text: str) -> str:
        """Dress what is read last."""
        return self._paint("2", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour and text else text


PLAIN = Style()
