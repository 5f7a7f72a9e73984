"""What the user's code was calling when a gradient was about to be lost.

For error messages only: whatever cannot be found out is left out. Called by the core.
"""

import itertools
import linecache
import math
import re
import sys
from types import CodeType, FrameType

_NAMES = {"fabs": "abs", "gamma": "exp(autodiff.lgamma(x))"}


def user_call(depth: int) -> str:
    """Return the source of the call under way in the first frame that is the user's.

    Parameters
    ----------
    depth
        Number of Python frames above the caller that are the library's.

    Returns
    -------
    Text such as ``math.sin(x)``, or "" where the source is not at hand or runs over
    several lines.
    """
    try:
        frame = sys._getframe(depth + 1)
    except ValueError:
        return ""
    text = _segment(frame.f_code, frame.f_lasti)
    name = re.match(r"(\w+)\.?", text)
    known = frame.f_globals.get(name[1]) if name else None
    if name and known is math:  # also where it goes by another name
        return f"math.{text[name.end() :]}"
    return f"math.{text}" if getattr(known, "__module__", "") == "math" else text


def _segment(code: CodeType, lasti: int) -> str:
    """Return the source of one instruction."""
    position = next(itertools.islice(code.co_positions(), lasti // 2, None), None)
    if position is None or None in position:
        return ""
    first, last, start, stop = position
    if first is None or first != last:
        return ""
    line = linecache.getline(code.co_filename, first).encode()  # columns count bytes
    return line[start:stop].decode(errors="replace").strip()


def is_sparse(frame: FrameType) -> bool:
    """Whether a frame is of scipy.sparse, whose operators make arrays of operands."""
    return str(frame.f_globals.get("__name__", "")).startswith("scipy.sparse.")


def sparse_product() -> str:
    """Return what to write instead of a product with a sparse matrix, or ""."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_sparse(frame):
        frame = frame.f_back
    if frame is None:
        return ""
    return "A.toarray() @ x: a matrix of scipy.sparse does not know of gradients"


def replacement(call: str) -> str:
    """Return what to write instead of a call, as part of a sentence."""
    product = sparse_product()
    if product:
        return product
    found = re.match(r"math\.(\w+)\(", call)
    if found:
        name = _NAMES.get(found[1], found[1])
        return f"autodiff.{name} or np.{name}" if name.isidentifier() else name
    if re.match(r"(?:np|numpy)\.(?:as)?array\(\s*\[", call):
        return "autodiff.tensor([x, y]) or autodiff.stack([x, y])"
    if re.match(r"[\w.]+\[", call):
        return "autodiff.take on a tensor of the values"
    return "the functions of autodiff or NumPy on the value itself"
