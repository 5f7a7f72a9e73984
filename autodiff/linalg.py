"""Linear algebra: solve, inv, det, cholesky, eigh, svdvals, lstsq, norm and their kin.

Functions have the names and arguments of `torch.linalg`; `numpy.linalg`'s of the same
name work on tensors too. Matrices are the last two axes, what comes before is a batch.
Values are those of NumPy's LAPACK; derivatives of any order are rules of the core,
written in terms of the same operations. Each costs a small number of decompositions.

Where there is no derivative: eigenvectors of equal eigenvalues and singular vectors of
equal singular values (infinite or NaN; the values themselves are fine), second
derivatives of `det` at a matrix of 3 rows or more that is exactly singular (NaN), and
`lstsq` where the rank changes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autodiff import _core, reduce
from autodiff._core import FUNCTIONS, Tensor
from autodiff._lapack import KERNELS
from autodiff.creation import as_tensor, check_dtype
from autodiff.errors import ArgumentError, ShapeError
from autodiff.reduce import options
from autodiff.shape import (
    axes_of,
    movedim,
    narrow,
    select,
    squeeze,
    swapaxes,
    unsqueeze,
)

_core.set_linalg(KERNELS)
_abs = FUNCTIONS["abs"]


class SlogdetResult(NamedTuple):
    """Sign (-1, 0 or 1) and log(abs(det)), each of the shape of the batch."""

    sign: Tensor
    logabsdet: Tensor


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVDResult(NamedTuple):
    """A = U @ diag(S) @ Vh."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class LstsqResult(NamedTuple):
    """The solution and what NumPy returns beside it; rank, singular_values plain."""

    solution: Tensor
    residuals: Tensor
    rank: Any
    singular_values: np.ndarray[Any, Any]


def _matrices(name: str, value: Any) -> Tensor:
    x = as_tensor(value)
    if x.ndim < 2:
        raise ShapeError(
            f"linalg.{name}: the input must have 2 axes or more, got shape {x.shape}"
        )
    return x


def _square(name: str, value: Any) -> Tensor:
    x = _matrices(name, value)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"linalg.{name}: expected a square matrix or a batch of them, got shape "
            f"{x.shape}"
        )
    return x


# ---- Equations -----------------------------------------------------------------------


def solve(A: Any, B: Any, *, left: bool = True) -> Tensor:
    """Return X with A @ X = B, or X @ A = B with left=False.

    Parameters
    ----------
    A
        Square matrices, shape (..., n, n).
    B
        A vector (n,), one for each matrix (..., n), or matrices (..., n, k); batches
        broadcast.
    left
        On which side of X the matrix stands; B is then (..., k, n).

    Returns
    -------
    A tensor of the shape of B, repeated to the batch.

    Raises
    ------
    LinAlgError
        When a matrix is singular.
    ShapeError
        When A is not square, or the shapes do not fit.

    Notes
    -----
    With u the solution of A' u = z_bar, the adjoints are u and -u z'. A factorisation
    for the value and for each adjoint: n^3 2/3 multiplications.

    Examples
    --------
    >>> import autodiff as ad
    >>> A = ad.tensor([[2.0, 0.0], [0.0, 4.0]], requires_grad=True)
    >>> x = ad.linalg.solve(A, [1.0, 2.0])
    >>> x
    tensor([0.5000, 0.5000], grad_fn=<ViewBackward0>)
    >>> x.sum().backward()
    >>> A.grad
    tensor([[-0.2500, -0.2500],
            [-0.1250, -0.1250]])
    """
    a, b = _square("solve", A), as_tensor(B)
    if b.ndim == 0:
        raise ShapeError("linalg.solve: the right-hand side must be a vector or matrix")
    is_vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    if is_vector:
        if not left:
            raise ShapeError("linalg.solve: left=False needs a matrix, not a vector")
        return squeeze(_core.linalg("solve", [a, unsqueeze(b, -1)]), -1)
    if left:
        return _core.linalg("solve", [a, b])
    return swapaxes(_core.linalg("solve", [a, swapaxes(b, -1, -2)], True), -1, -2)


def inv(A: Any) -> Tensor:
    """Return the inverse of square matrices; `solve` is better where it will do.

    Raises
    ------
    LinAlgError
        When a matrix is singular.
    """
    a = _square("inv", A)
    return _core.linalg("solve", [a, np.eye(a.shape[-1])])


def lstsq(
    A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None
) -> LstsqResult:
    """Return the X of least size that minimises norm(A @ X - B).

    Parameters
    ----------
    A
        Matrices of full rank, tall or wide, shape (..., m, n).
    B
        A vector (m,), one for each matrix (..., m), or matrices (..., m, k).
    rcond
        None: singular values below max(m, n) * 2.2e-16 times the largest count as 0.
    driver
        Accepted and ignored: LAPACK's gelsd is used.

    Returns
    -------
    solution (..., n, k), residuals (..., k) if m > n and the rank is n (else empty),
    and without a gradient rank and singular values of A.

    Raises
    ------
    ArgumentError
        When rcond is a number.
    LinAlgError
        When A has elements that are not finite.

    Notes
    -----
    The derivative takes the rank as constant. Golub and Pereyra, SIAM J. Numer. Anal.
    10 (1973). The adjoint of A costs three more least-squares solutions.

    Examples
    --------
    >>> import autodiff as ad
    >>> y = ad.tensor([1.0, 2.0, 6.0], requires_grad=True)
    >>> ad.linalg.lstsq([[1.0], [1.0], [1.0]], y).solution.sum().backward()
    >>> y.grad
    tensor([0.3333, 0.3333, 0.3333])
    """
    if rcond is not None:
        raise ArgumentError(f"linalg.lstsq: rcond={rcond!r} is not supported; use None")
    a, b = _matrices("lstsq", A), as_tensor(B)
    is_vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    right = unsqueeze(b, -1) if is_vector else b
    if right.ndim < 2:
        raise ShapeError("linalg.lstsq: the right-hand side must be a vector or matrix")
    m, n = a.shape[-2:]
    x = _core.linalg("lstsq", [a, right])
    rank, s = _recorded_rank(a) if _core.is_traced(a) else _rank(a)
    residuals = as_tensor(np.zeros(0))
    if m > n and (rank == n).all():
        residuals = reduce.sum(FUNCTIONS["square"](right - a @ x), -2)
    if isinstance(rank, np.ndarray) and a.ndim == 2:
        rank = int(rank)
    return LstsqResult(squeeze(x, -1) if is_vector else x, residuals, rank, s)


def _rank(a: Tensor) -> tuple[Any, Any]:
    """Return plain ranks, and the singular values by which they are told."""
    s = np.linalg.svd(reduce.plain_values(a), compute_uv=False)
    least = np.finfo(float).eps * max(a.shape[-2:]) * s.max(axis=-1, initial=0.0)
    return np.asarray((s > least[..., None]).sum(axis=-1)), s


def _recorded_rank(a: Tensor) -> tuple[Any, Any]:
    """`_rank` of a tensor that is traced: tensors without a derivative."""
    s = svdvals(_core.stop(a))
    if s.shape[-1] == 0:
        return reduce.sum(s, -1), s
    largest = _core.reduce_axes(s, -1, True, "max")
    least = np.finfo(float).eps * max(a.shape[-2:]) * largest
    return reduce.sum(s > least, -1), s


def pinv(A: Any) -> Tensor:
    """Return the pseudoinverse of matrices of full rank: `lstsq` of the identity."""
    a = _matrices("pinv", A)
    return _core.linalg("lstsq", [a, np.eye(a.shape[-2])])


# ---- Determinants --------------------------------------------------------------------


def det(A: Any) -> Tensor:
    """Return determinants.

    Notes
    -----
    The gradient is the matrix of cofactors, also where A is singular. Second
    derivatives are made of minors, for matrices of up to 6 rows; from 7 rows on they
    are NaN where A is singular to within rounding.

    Examples
    --------
    >>> import autodiff as ad
    >>> A = ad.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> ad.linalg.det(A).backward()
    >>> A.grad
    tensor([[ 4., -2.],
            [-2.,  1.]])
    """
    return _core.linalg("det", [_square("det", A)])


def slogdet(A: Any) -> SlogdetResult:
    """Return sign and logarithm of the size of determinants: no overflow.

    The gradient of the logarithm is the transpose of the inverse; NaN where the matrix
    is singular, for the logarithm is -inf there.
    """
    both = _core.linalg("slogdet", [_square("slogdet", A)])
    return SlogdetResult(select(both, -1, 0), select(both, -1, 1))


# ---- Decompositions ------------------------------------------------------------------


def cholesky(A: Any, *, upper: bool = False) -> Tensor:
    """Return the lower triangular L with L @ L' = A, or its transpose with upper=True.

    Reads the lower triangle of A (upper: the upper one) and takes A as symmetric; the
    gradient is symmetric too, as PyTorch's.

    Raises
    ------
    LinAlgError
        When a matrix is not positive definite.
    """
    a = _square("cholesky", A)
    if upper:
        return swapaxes(_core.linalg("cholesky", [swapaxes(a, -1, -2)]), -1, -2)
    return _core.linalg("cholesky", [a])


def eigh(A: Any, UPLO: str = "L") -> EighResult:
    """Return eigenvalues, ascending, and eigenvectors of symmetric matrices.

    Parameters
    ----------
    A
        Shape (..., n, n).
    UPLO
        "L" or "U": which triangle is read. The other one is taken to be its mirror
        image; the gradient is symmetric.

    Returns
    -------
    eigenvalues (..., n) and eigenvectors (..., n, n), one in each column.

    Raises
    ------
    ArgumentError
        When UPLO is another letter.

    Notes
    -----
    All is NaN for a matrix with an element that is not finite. The gradient of
    eigenvalue i is v[i] v[i]', also among equal ones. That of an eigenvector divides by
    the distances between eigenvalues: infinite or NaN where two are equal. The sign of
    an eigenvector is LAPACK's choice, and nothing sensible depends on it.

    Examples
    --------
    >>> import autodiff as ad
    >>> A = ad.tensor([[2.0, 0.0], [0.0, 3.0]], requires_grad=True)
    >>> ad.linalg.eigh(A).eigenvalues[1].backward()
    >>> A.grad
    tensor([[0., 0.],
            [0., 1.]])
    """
    a = _square("eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise ArgumentError(f"linalg.eigh: UPLO must be 'L' or 'U', got {UPLO!r}")
    both = _core.linalg("eigh", [a if UPLO.upper() == "L" else swapaxes(a, -1, -2)])
    return EighResult(select(both, -2, 0), narrow(both, -2, 1, a.shape[-1]))


def eigvalsh(A: Any, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of symmetric matrices, ascending; see `eigh`."""
    return eigh(A, UPLO).eigenvalues


def svd(A: Any, full_matrices: bool = True) -> SVDResult:
    """Return U, S and Vh with A = U @ diag(S) @ Vh, S descending.

    Parameters
    ----------
    A
        Shape (..., m, n), with k = min(m, n).
    full_matrices
        Must be False unless m = n: U is (..., m, k) and Vh (..., k, n). The columns
        that would complete them have no derivative.

    Raises
    ------
    ArgumentError
        When full_matrices is true and A is not square.
    LinAlgError
        When A has elements that are not finite.

    Notes
    -----
    The gradients of U and Vh divide by distances between singular values: infinite or
    NaN where two are equal.
    """
    a = _matrices("svd", A)
    m, n = a.shape[-2:]
    if full_matrices and m != n:
        raise ArgumentError(
            f"linalg.svd: shape {a.shape} with full_matrices=True is not supported; "
            "use full_matrices=False"
        )
    both = _core.linalg("svd", [a])
    return SVDResult(
        narrow(both, -2, 1, m),
        select(both, -2, 0),
        swapaxes(narrow(both, -2, 1 + m, n), -1, -2),
    )


def svdvals(A: Any) -> Tensor:
    """Return singular values, descending, shape (..., min(m, n)).

    The gradient of value i is u[i] v[i]', also among equal ones, and 0 for a value that
    is exactly 0: a kink, as that of abs at 0.
    """
    return select(_core.linalg("svd", [_matrices("svdvals", A)]), -2, 0)


# ---- Norms ---------------------------------------------------------------------------


def norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *,
    dtype: Any = None, axis: Any = None, keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return a vector or matrix norm, by NumPy's and PyTorch's rules.

    Parameters
    ----------
    A
        Tensor.
    ord
        None: square root of the sum of squares of all elements along the axes. For
        vectors as in `vector_norm`, for matrices as in `matrix_norm`.
    dim, axis
        An axis: vectors along it. Two axes: matrices in them. None: all of A, which
        must have one or two axes if ord is given.
    keepdim, keepdims
        Whether reduced axes stay, with extent 1.
    dtype
        float64 or a name for it.

    Raises
    ------
    ArgumentError
        When the order is none that vectors, or matrices, have.
    ShapeError
        When ord is given and A has more axes than a matrix.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.linalg.norm([3.0, 4.0])
    tensor(5.)
    >>> ad.linalg.norm([[3.0, 0.0], [0.0, 4.0]], "nuc")
    tensor(7.)
    """
    check_dtype(dtype)
    dim, keep = options(dim, axis, keepdim, keepdims)
    x = as_tensor(A)
    if ord is None:
        return reduce.norm(x, 2, dim, keep)
    if dim is None and x.ndim not in (1, 2):
        raise ShapeError(
            f"linalg.norm: with ord and without dim the input must be a vector or a "
            f"matrix, got shape {x.shape}; name the axes"
        )
    dims = range(x.ndim) if dim is None else dim
    if isinstance(dims, (tuple, list, range)) and len(dims) == 2:
        return matrix_norm(x, ord, tuple(dims), keep)
    if isinstance(dims, (tuple, list, range)) and len(dims) != 1:
        raise ShapeError(f"linalg.norm: dim must name one or two axes, got {dim!r}")
    return vector_norm(x, ord, dim, keep)


def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *,
    dtype: Any = None, axis: Any = None, keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """Return (sum of abs(x)**ord)**(1/ord) over axes; also inf, -inf and 0 (a count).

    At 0 the gradient is 0. See `autodiff.norm`.
    """
    if isinstance(ord, str):
        raise ArgumentError(f"linalg: {ord!r} is no order of a vector norm")
    return reduce.norm(
        x, ord, dim, keepdim, dtype=dtype, axis=axis, keepdims=keepdims
    )  # fmt: skip


def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """Return the norm of matrices in two axes.

    `ord` is "fro" (square root of the sum of squares), "nuc" (sum of singular values),
    2 or -2 (largest or least singular value), inf or -inf (largest or least sum of a
    row's abs), 1 or -1 (of a column's).

    Raises
    ------
    ArgumentError
        When ord is another.
    """
    check_dtype(dtype)
    x = _matrices("matrix_norm", A)
    if len(dim) != 2:
        raise ShapeError(f"linalg.matrix_norm: dim must name two axes, got {dim!r}")
    rows, columns = axes_of(dim, x.ndim)
    if ord == "fro":
        return reduce.norm(x, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        values = svdvals(movedim(x, (rows, columns), (-2, -1)))
        how = "sum" if ord == "nuc" else "max" if ord == 2 else "min"
        z = _core.reduce_axes(values, -1, False, how)
    elif ord in (1, -1, np.inf, -np.inf):
        inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = reduce.sum(_abs(x), inner, True)
        z = _core.reduce_axes(sums, outer, True, "max" if ord > 0 else "min")
        z = squeeze(z, (rows, columns))
    else:
        raise ArgumentError(f"linalg: {ord!r} is no order of a matrix norm")
    if keepdim:
        for at in sorted((rows, columns)):
            z = unsqueeze(z, at)
    return z
