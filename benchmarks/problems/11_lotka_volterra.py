"""90 Euler steps of Lotka-Volterra: gradient in rates and start, 1 and 10,000 points.

The function is an ordinary Python loop on numbers, 991 operations; JAX has a scan.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import floor
import peers
from harness import Answer, Bar, Case, TimeRow
from rows import sampled

STEPS, STEP = 90, 0.01
POINT = (1.5, 1.0, 0.7, 3.0, 1.2, 0.8)
N_POINTS = 10_000

SOURCE = """
#define STEPS 90
#define H 0.01
#define LANES 8
#define EACH for (int l = 0; l < LANES; l++)
/* p: rows of a, b, c, d, x, y; g: rows of the gradient; n: a multiple of LANES. */
void batch(const double *p, double *g, int64_t n)
{
    for (int64_t at = 0; at < n; at += LANES) {
        double q[6][LANES], x[STEPS + 1][LANES], y[STEPS + 1][LANES], s[6][LANES];
        for (int k = 0; k < 6; k++)
            EACH q[k][l] = p[(at + l) * 6 + k];
        EACH x[0][l] = q[4][l];
        EACH y[0][l] = q[5][l];
        for (int i = 0; i < STEPS; i++)
            EACH {
                double xy = x[i][l] * y[i][l];
                x[i + 1][l] = x[i][l] + H * (q[0][l] * x[i][l] - q[1][l] * xy);
                y[i + 1][l] = y[i][l] + H * (q[2][l] * xy - q[3][l] * y[i][l]);
            }
        for (int k = 0; k < 4; k++)
            EACH s[k][l] = 0;
        EACH s[4][l] = 2 * x[STEPS][l];
        EACH s[5][l] = 2 * y[STEPS][l];
        for (int i = STEPS; i-- > 0;)
            EACH {
                double u = x[i][l], v = y[i][l], uv = u * v;
                double t = H * s[4][l], w = H * s[5][l];
                double uv_bar = q[2][l] * w - q[1][l] * t;
                s[0][l] += t * u;
                s[1][l] -= t * uv;
                s[2][l] += w * uv;
                s[3][l] -= w * v;
                s[4][l] += q[0][l] * t + uv_bar * v;
                s[5][l] += uv_bar * u - q[3][l] * w;
            }
        for (int k = 0; k < 6; k++)
            EACH g[(at + l) * 6 + k] = s[k][l];
    }
}
"""
SCALAR = SOURCE.replace("#define LANES 8", "#define LANES 1")


def final(a: Any, b: Any, c: Any, d: Any, x: Any, y: Any) -> Any:
    """Return x^2 + y^2 after all steps."""
    for _ in range(STEPS):
        xy = x * y
        x, y = x + STEP * (a * x - b * xy), y + STEP * (c * xy - d * y)
    return x * x + y * y


def of_vector(p: Any) -> Any:
    """Return `final` of the elements of a vector."""
    return final(p[0], p[1], p[2], p[3], p[4], p[5])


def points(n: int) -> Any:
    """Return n rows near POINT, the same for every peer."""
    numpy = peers.load("numpy")
    k = numpy.arange(6 * n).reshape(n, 6)
    return numpy.array(POINT) * (1 + 0.1 * numpy.sin(k))


def case(gradient: Callable[[], Any], unpack: Callable[[Any], Any], units: int) -> Case:
    """Return a case of a call without arguments."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = gradient()
        return found

    def answer() -> Answer:
        return sampled(gradient=unpack(gradient()))

    return Case(run, answer, units=units, first=gradient)


def ours(n: int) -> Case:
    ad = peers.load("autodiff")
    if n == 1:
        x, f = points(1)[0], ad.compile(of_vector)
        return case(lambda: f.grad(x), lambda g: g, 1)
    rows, g = points(n), ad.vmap(ad.grad(of_vector), threads=1)
    return case(lambda: g(rows), lambda g: g, n)


def c_floor(n: int) -> Case:
    numpy = peers.load("numpy")
    rows = points(n)
    found = numpy.empty_like(rows)
    library = floor.build(SCALAR if n == 1 else SOURCE)
    arguments = floor.at(rows), floor.at(found), floor.count(n)

    def run(n_runs: int) -> None:
        for _ in range(n_runs):
            library.batch(*arguments)

    def answer() -> Answer:
        run(1)
        return sampled(gradient=found)

    return Case(run, answer, units=n, first=lambda: run(1))


def torch_case(n: int) -> Case:
    torch = peers.load("torch")
    rows = torch.tensor(points(n))

    def gradient() -> Any:
        p = [rows[:, k].clone().requires_grad_() for k in range(6)]
        return torch.autograd.grad(final(*p).sum(), p)

    return case(gradient, lambda g: torch.stack(g, 1).numpy(), n)


def jax_case(n: int) -> Case:
    jax = peers.load("jax")

    def scanned(p: Any) -> Any:
        def step(z: Any, _: Any) -> Any:
            x, y = z
            xy = x * y
            z = (
                x + STEP * (p[0] * x - p[1] * xy),
                y + STEP * (p[2] * xy - p[3] * y),
            )
            return z, None

        x, y = jax.lax.scan(step, (p[4], p[5]), None, length=STEPS)[0]
        return x * x + y * y

    rows, g = jax.numpy.array(points(n)), jax.jit(jax.vmap(jax.grad(scanned)))
    if n == 1:
        rows, g = rows[0], jax.jit(jax.grad(scanned))
    return case(lambda: g(rows).block_until_ready(), lambda g: g, n)


def casadi_case(n: int) -> Case:
    casadi, numpy = peers.load("casadi"), peers.load("numpy")
    rows = points(n)
    found = numpy.empty_like(rows)
    buffers: list[Any] = []

    def first() -> None:
        p = casadi.SX.sym("p", 6)
        gradient = casadi.gradient(of_vector(p), p)
        function = casadi.Function("g", [p], [gradient])
        function = function.map(n) if n > 1 else function
        buffer, run = function.buffer()
        buffer.set_arg(0, memoryview(rows.reshape(-1)))
        buffer.set_res(0, memoryview(found.reshape(-1)))
        buffers[:] = [run, buffer, function]
        run()

    def run(n_runs: int) -> None:
        call = buffers[0]
        for _ in range(n_runs):
            call()

    return Case(run, lambda: sampled(gradient=found), units=n, first=first)


def _row(n: int, name: str, title: str, bars: tuple[Bar, ...]) -> TimeRow:
    cases = {
        "autodiff": partial(ours, n),
        "floor": partial(c_floor, n),
        "torch": partial(torch_case, n),
        "jax": partial(jax_case, n),
        "casadi": partial(casadi_case, n),
    }
    return TimeRow(name, title, "point", cases, bars, has_first=True)


ROWS = (
    _row(
        1,
        "one_point",
        "Lotka-Volterra, 90 steps, gradient at one point",
        (Bar("value", 5e-6, reach=3e-6), Bar("times", 1.0, "casadi")),
    ),
    _row(
        N_POINTS,
        "points_10000",
        "Lotka-Volterra, 90 steps, gradients at 10,000 points",
        (
            Bar("value", 0.30e-6, reach=0.22e-6),
            Bar("value", 0.05, metric="first"),
            Bar("times", 2.0, "floor"),
        ),
    ),
)
