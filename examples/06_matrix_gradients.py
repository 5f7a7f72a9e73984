"""Matrix gradients: find the formula by the shapes, then check it.

Y = XW with X (N, D) and W (D, C). A gradient has the shape of what it belongs to. G,
the gradient of Y, is (N, C). For W we need (D, C) from X (N, D) and G (N, C): only X'G
fits. For X we need (N, D) from G (N, C) and W (D, C): only GW' fits. No index was
written.
"""

import numpy as np

import autodiff as ad

rng = np.random.default_rng(0)
N, D, C = 4, 3, 2


def random(*shape):
    """Return a leaf of random numbers."""
    return ad.tensor(rng.standard_normal(shape), requires_grad=True)


def check(what, gradient, formula):
    """Print how far a gradient and a formula are apart."""
    formula = np.asarray(formula)
    error = np.abs(gradient.numpy() - formula).max() / np.abs(formula).max()
    print(f"{what:26} shape {formula.shape!s:7} agrees: {error < 1e-14}")


def values(x):
    """Return the numbers of a tensor, without its graph."""
    return x.detach().numpy()


X, W, bias = random(N, D), random(D, C), random(C)
G = rng.standard_normal((N, C))
(X @ W + bias).backward(gradient=ad.tensor(G))
check("d(XW)/dW: X'G", W.grad, values(X).T @ G)
check("d(XW)/dX: GW'", X.grad, G @ values(W).T)
check("a bias, added to each row", bias.grad, G.sum(axis=0))  # broadcast: sum

# Traces. tr(AB) = sum of A_ij B_ji, so the derivative by A is B'.
A, B = random(3, 4), random(4, 3)
ad.trace(A @ B).backward()
check("d tr(AB)/dA = B'", A.grad, values(B).T)

S = random(3, 3)
A.grad = None
ad.trace(A.t() @ S @ A).backward()
check("d tr(A'SA)/dA = (S + S')A", A.grad, (values(S) + values(S).T) @ values(A))

# The log-determinant: the derivative is the inverse, transposed.
M = ad.tensor(np.eye(3) * 3 + rng.standard_normal((3, 3)), requires_grad=True)
sign, logdet = ad.linalg.slogdet(M)
logdet.backward()
check("d log|det M|/dM = inv(M)'", M.grad, np.linalg.inv(values(M)).T)

# And a determinant, by its cofactors: det(M) inv(M)'.
M.grad = None
ad.linalg.det(M).backward()
cofactors = np.linalg.det(values(M)) * np.linalg.inv(values(M)).T
check("d det M/dM = cofactors", M.grad, cofactors)
