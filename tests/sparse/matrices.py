"""Matrices whose patterns the tests colour: bands, arrows, grids, elements, random."""

import numpy as np
import scipy.sparse as sp


def banded(n, below=1, above=1):
    return np.tri(n, k=above) * np.tri(n, k=below).T


def arrow(n, at):
    matrix = np.eye(n)
    matrix[at] = matrix[:, at] = 1
    return matrix


def grid(n):
    """Five-point stencil on an n x n grid."""
    line = sp.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))
    return (sp.kron(sp.eye_array(n), line) + sp.kron(line, sp.eye_array(n))).toarray()


def finite_elements(n):
    """Bilinear elements on an n x n grid with two unknowns at each node."""
    line = np.ones((n, n)) * banded(n)
    return np.kron(np.kron(line, line), np.ones((2, 2)))


def random(n, seed, density=0.03):
    matrix = sp.random_array((n, n), density=density, rng=np.random.default_rng(seed))
    return matrix.toarray() != 0
