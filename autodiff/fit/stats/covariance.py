"""Covariance of the estimates, three ways.

With g_i the gradient of row i's loss, H the Hessian of the objective and J'WJ its
Gauss-Newton part:

- ``jtj``: inverse of J'WJ, the expected information;
- ``hessian``: inverse of H, the observed one;
- ``sandwich``: ``H^-1 (sum g_i g_i') H^-1``, right also where errors are not of the
  kind the loss supposes (P. J. Huber, "The behavior of maximum likelihood estimates
  under nonstandard conditions", 1967), times n/(n - p) for small samples.

Where errors are not known, the first two are scaled by s^2 = rss / df; of a robust loss
by ``(sum psi^2 / df) / mean(psi')^2`` (P. J. Huber, "Robust Statistics", 1981, 7.6).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["covariance", "inverse_of_root"]

Array = npt.NDArray[np.float64]


def inverse_of_root(root: Array) -> Array:
    """Return ``(R' R)^-1``, by columns of unit norm; NaN where R is singular.

    Parameters
    ----------
    root : array of shape (p, p)
        With R' R the information.
    """
    size = np.linalg.norm(root, axis=0)
    if not (np.isfinite(size).all() and (size > 0.0).all()):
        return np.full(root.shape, np.nan)
    _, s, vt = np.linalg.svd(root / size)
    if not s[-1] > 0.0:
        return np.full(root.shape, np.nan)
    half = vt.T / s
    result: Array = half @ half.T / np.outer(size, size)
    return result


def covariance(
    kind: str, root: Array, curvature: Array, scores: Array, scale: float, df: int
) -> Array:
    """Return the covariance of the free parameters, shape (p, p).

    Parameters
    ----------
    kind : {'jtj', 'hessian', 'sandwich'}
        Which.
    root : array of shape (p, p)
        R, with R' R the Gauss-Newton Hessian.
    curvature : array of shape (p, p)
        What the Hessian has beyond it.
    scores : array of shape (p, p)
        ``sum g_i g_i'``.
    scale : float
        What the inverse is multiplied with, for ``jtj`` and ``hessian``.
    df : int
        Rows minus parameters.

    Returns
    -------
    array of shape (p, p)
        NaN where it is not defined: the Hessian is not positive definite.
    """
    unscaled = inverse_of_root(root)
    if kind == "jtj":
        return scale * unscaled
    bread = _inverse_with(unscaled, root, curvature)
    if kind == "hessian":
        return scale * bread
    p = len(root)
    return bread @ scores @ bread * ((df + p) / df if df > 0 else np.nan)


def _inverse_with(unscaled: Array, root: Array, curvature: Array) -> Array:
    """Return ``(R' R + curvature)^-1`` without forming R' R."""
    if not curvature.any():
        return unscaled
    size = np.linalg.norm(root, axis=0)
    _, s, vt = np.linalg.svd(root / size)
    half = vt.T / s  # half' (R' R) half is the identity, in scaled parameters
    inner = np.eye(len(s)) + half.T @ (curvature / np.outer(size, size)) @ half
    values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
    if not values[0] > 0.0:
        return np.full(root.shape, np.nan)
    half = half @ vectors / np.sqrt(values)
    result: Array = half @ half.T / np.outer(size, size)
    return result
