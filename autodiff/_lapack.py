"""The decompositions behind the linear algebra rows: NumPy's LAPACK.

One function for each row, by its name. The core calls them through its hook with plain
arrays, batches of matrices in the last two axes, and each fills `out`, whose layout
`csrc/linalg.h` draws. What fails raises `LinAlgError` and says which matrix it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff.errors import LinAlgError

_Array = np.ndarray[Any, np.dtype[np.float64]]


def _fails(function: Callable[[_Array], Any], x: _Array) -> bool:
    try:
        function(x)
    except np.linalg.LinAlgError:
        return True
    return False


def _error(
    text: str, fix: str, function: Callable[[_Array], Any], x: _Array
) -> LinAlgError:
    """Say what failed, and at which place of a batch."""
    batch = x.shape[:-2]
    where = next((at for at in np.ndindex(batch) if _fails(function, x[at])), ())
    place = f" (at {tuple(where)} of the batch {batch})" if where else ""
    return LinAlgError(f"{text}{place}; {fix}")


def _solve(out: _Array, x: _Array, y: _Array, trans: bool, lenient: bool) -> None:
    a = x.swapaxes(-1, -2) if trans else x
    right = np.broadcast_to(y, (*out.shape[:-2], *y.shape[-2:]))
    try:
        out[...] = np.linalg.solve(a, right)
    except np.linalg.LinAlgError:
        if not lenient:
            raise _error(
                "solve, inv: the matrix is singular",
                "lstsq and pinv take one that has no inverse",
                np.linalg.inv,
                x,
            ) from None
        a = np.broadcast_to(a, (*out.shape[:-2], *a.shape[-2:]))
        for at in np.ndindex(out.shape[:-2]):
            is_singular = _fails(np.linalg.inv, a[at])
            out[at] = np.nan if is_singular else np.linalg.solve(a[at], right[at])


def _lstsq(out: _Array, x: _Array, y: _Array, trans: bool, lenient: bool) -> None:
    a = x.swapaxes(-1, -2) if trans else x
    batch = out.shape[:-2]
    a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    right = np.broadcast_to(y, (*batch, *y.shape[-2:]))
    if not np.isfinite(x).all():
        raise _no_convergence("lstsq", x)  # LAPACK would complain on the terminal
    for at in np.ndindex(batch):
        try:
            out[at] = _least_squares(a[at], right[at])
        except np.linalg.LinAlgError:
            raise _no_convergence("lstsq", x) from None


def _least_squares(a: _Array, right: _Array) -> Any:
    """Return the solution; what is not finite on the right stays in its column."""
    is_bad = ~np.isfinite(right).all(axis=0)
    x = np.linalg.lstsq(a, np.where(is_bad, 0.0, right), rcond=None)[0]
    x[:, is_bad] = np.nan
    return x


def _no_convergence(name: str, x: _Array) -> LinAlgError:
    if np.isfinite(x).all():
        return LinAlgError(f"{name}: LAPACK did not converge; scale the matrix")
    return LinAlgError(f"{name}: the matrix has elements that are NaN or infinite")


def _cholesky(out: _Array, x: _Array, trans: bool, lenient: bool) -> None:
    try:
        out[...] = np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        raise _error(
            "cholesky: the matrix is not positive definite",
            "add a small multiple of the identity if rounding is to blame",
            np.linalg.cholesky,
            x,
        ) from None


def _eigh(out: _Array, x: _Array, trans: bool, lenient: bool) -> None:
    # Beside a NaN or an infinity LAPACK may return finite eigenvalues.
    is_bad = ~np.isfinite(np.tril(x)).all(axis=(-2, -1), keepdims=True)
    try:
        values, vectors = np.linalg.eigh(np.where(is_bad, 0.0, x))
    except np.linalg.LinAlgError:
        raise _no_convergence("eigh", x) from None
    out[..., :1, :] = np.where(is_bad, np.nan, values[..., None, :])
    out[..., 1:, :] = np.where(is_bad, np.nan, vectors)


def _svd(out: _Array, x: _Array, trans: bool, lenient: bool) -> None:
    m = x.shape[-2]
    try:
        u, s, vh = np.linalg.svd(x, full_matrices=False)
    except np.linalg.LinAlgError:
        raise _no_convergence("svd", x) from None
    out[..., 0, :] = s
    out[..., 1 : 1 + m, :] = u
    out[..., 1 + m :, :] = vh.swapaxes(-1, -2)


def _det(out: _Array, x: _Array, trans: bool, lenient: bool) -> None:
    with np.errstate(all="ignore"):
        out[...] = np.linalg.det(x)


def _slogdet(out: _Array, x: _Array, trans: bool, lenient: bool) -> None:
    with np.errstate(all="ignore"):
        out[..., 0], out[..., 1] = np.linalg.slogdet(x)


def _cofactor(out: _Array, x: _Array, trans: bool, lenient: bool) -> None:
    """Fill in det(x) times the transpose of the inverse, or its limit if singular."""
    n = x.shape[-1]
    if n == 1:
        out[...] = 1.0
    elif n == 2:
        out[..., 0, 0], out[..., 1, 1] = x[..., 1, 1], x[..., 0, 0]
        out[..., 0, 1], out[..., 1, 0] = -x[..., 1, 0], -x[..., 0, 1]
    elif n > 2:
        with np.errstate(all="ignore"):
            det = np.linalg.det(x)
            is_plain = np.isfinite(det) & (det != 0)
            safe = np.where(is_plain[..., None, None], x, np.eye(n))
            inverse = np.linalg.inv(safe).swapaxes(-1, -2)
            out[...] = det[..., None, None] * inverse
        for at in map(tuple, np.argwhere(~is_plain)):
            out[at] = _cofactors_by_svd(x[at])


def _cofactors_by_svd(x: _Array) -> Any:
    """Return cofactors from products of all singular values but one: no division."""
    if not np.isfinite(x).all():
        return np.nan
    u, s, vh = np.linalg.svd(x)
    others = [np.prod(np.delete(s, i)) for i in range(s.size)]
    return np.linalg.det(u) * np.linalg.det(vh) * (u * others) @ vh


KERNELS: dict[str, Callable[..., None]] = {
    "solve": _solve,
    "lstsq": _lstsq,
    "cholesky": _cholesky,
    "eigh": _eigh,
    "svd": _svd,
    "det": _det,
    "_cofactor": _cofactor,
    "slogdet": _slogdet,
}
