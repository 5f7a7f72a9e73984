"""Exact derivatives for SciPy's solvers, which take them as they come.

    python examples/scipy_solvers.py

Five problems whose answers are known: a minimum by a gradient, by a Hessian and by
Hessian-vector products, a least-squares fit by a Jacobian, and a stiff differential
equation by the Jacobian of its right-hand side.
"""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares, minimize

import autodiff as ad


def rosenbrock(x):
    """Return the valley of Rosenbrock; its minimum is 0 at ones."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def by_gradient(n=10):
    return minimize(
        ad.value_and_grad(rosenbrock),
        np.zeros(n),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )


def by_hessian(n=10):
    return minimize(
        rosenbrock,
        np.zeros(n),
        jac=ad.grad(rosenbrock),
        hess=ad.hessian(rosenbrock),
        method="trust-exact",
    )


def by_hessian_vector_products(n=50):
    return minimize(
        rosenbrock,
        np.zeros(n),
        jac=ad.grad(rosenbrock),
        hessp=ad.hvp(rosenbrock),
        method="trust-ncg",
    )


TIMES = np.linspace(0.0, 3.0, 30)
DECAY = 2.5 * np.exp(-1.3 * TIMES) + 0.5


def residuals(p):
    """Return model minus data of an exponential decay."""
    return p[0] * np.exp(-p[1] * TIMES) + p[2] - DECAY


def by_residuals():
    return least_squares(
        residuals, np.ones(3), jac=ad.jacobian(residuals), xtol=1e-14, ftol=1e-14
    )


def robertson(t, y):
    """Return the rates of Robertson's reaction (1966), which is stiff."""
    slow, fast, back = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return [-slow + back, slow - back - fast, fast]


def by_rates():
    return solve_ivp(
        robertson,
        (0.0, 40.0),
        [1.0, 0.0, 0.0],
        method="Radau",
        jac=ad.jacobian(robertson, argnums=1),
        rtol=1e-8,
        atol=1e-10,
    )


if __name__ == "__main__":
    for solve in (by_gradient, by_hessian, by_hessian_vector_products):
        found = solve()
        print(f"{solve.__name__}: off by {np.abs(found.x - 1.0).max():.1e}")
    print("by_residuals:", by_residuals().x)
    print("by_rates:", by_rates().y[:, -1])
