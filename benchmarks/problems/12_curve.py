"""Sum of squares of a exp(-b x) + c - y over 1,000,000 rows, with its gradient.

Written as a function of one row under vmap, and on whole arrays; then with three
branches, which rows take at random, and on two threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import floor
import peers
from harness import Answer, Bar, Case, TimeRow
from rows import branch_and_thread_rows, sampled

N = 1_000_000
START = (2.0, 1.0, 0.3)
NEAR = (2.5, 1.1, 0.4)  # where residuals have either sign
EDGE = 0.02  # of what is a small one

SOURCE = """
/* sums: value, then the gradient; blocks let the compiler keep lanes apart. */
void curve(const double *x, const double *y, const double *p, double *sums, int64_t n)
{
    enum { BLOCK = 1000 };
    for (int k = 0; k < 4; k++)
        sums[k] = 0;
    for (int64_t at = 0; at < n; at += BLOCK) {
        double e[BLOCK];
        for (int i = 0; i < BLOCK; i++)
            e[i] = exp(-p[1] * x[at + i]);
        double lanes[4][16] = {{0}};
        for (int i = 0; i + 16 <= BLOCK; i += 16)
            for (int l = 0; l < 16; l++) {
                double z = e[i + l], r = p[0] * z + p[2] - y[at + i + l], t = r * z;
                lanes[0][l] += r * r;
                lanes[1][l] += t;
                lanes[2][l] += t * x[at + i + l];
                lanes[3][l] += r;
            }
        for (int i = BLOCK / 16 * 16; i < BLOCK; i++) {
            double r = p[0] * e[i] + p[2] - y[at + i];
            lanes[0][0] += r * r;
            lanes[1][0] += r * e[i];
            lanes[2][0] += r * e[i] * x[at + i];
            lanes[3][0] += r;
        }
        for (int l = 0; l < 16; l++) {
            sums[0] += lanes[0][l];
            sums[1] += 2 * lanes[1][l];
            sums[2] += -2 * p[0] * lanes[2][l];
            sums[3] += 2 * lanes[3][l];
        }
    }
}
"""


def data() -> tuple[Any, Any, Any]:
    """Return x, y and parameters."""
    numpy = peers.load("numpy")
    random = numpy.random.default_rng(1)
    x = 2.0 * random.random(N)
    y = 2.5 * numpy.exp(-1.3 * x) + 0.5 + 0.01 * random.standard_normal(N)
    return x, y, numpy.array(START)


def case(call: Callable[[], Any]) -> Case:
    """Return a case of a call that returns value and gradient."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    def answer() -> Answer:
        value, gradient = call()
        return sampled(value=value, gradient=gradient)

    return Case(run, answer, first=call)


def row_form(lib: Any, p: Any, x: Any, y: Any) -> Any:
    """Return the square of one row's residual."""
    r = p[0] * lib.exp(-p[1] * x) + p[2] - y
    return r * r


def piecewise_form(lib: Any, p: Any, x: Any, y: Any) -> Any:
    """Return a loss of one row in three pieces: square, or a line on either side."""
    r = p[0] * lib.exp(-p[1] * x) + p[2] - y
    if r > EDGE:
        return EDGE * (2.0 * r - EDGE)
    if r < -EDGE:
        return -EDGE * (2.0 * r + EDGE)
    return r * r


def whole_form(lib: Any, p: Any, x: Any, y: Any) -> Any:
    """Return the sum of squares, on arrays."""
    return ((p[0] * lib.exp(-p[1] * x) + p[2] - y) ** 2).sum()


def ours_rows(form: Callable[..., Any], threads: int, start: Any = START) -> Case:
    ad, numpy = peers.load("autodiff"), peers.load("numpy")
    x, y, _ = data()
    p = numpy.array(start)
    rows = ad.vmap(partial(form, ad), in_axes=(None, 0, 0), threads=threads)
    f = ad.value_and_grad(lambda p: ad.sum(rows(p, x, y)))
    return case(lambda: f(p))


def ours_compiled(form: Callable[..., Any] = row_form, start: Any = START) -> Case:
    ad, numpy = peers.load("autodiff"), peers.load("numpy")
    x, y, _ = data()
    p = numpy.array(start)
    rows = ad.vmap(partial(form, ad), in_axes=(None, 0, 0), threads=1)
    f = ad.compile(lambda p: ad.sum(rows(p, x, y)))
    return case(lambda: f.value_and_grad(p))


def ours_whole() -> Case:
    ad = peers.load("autodiff")
    x, y, p = data()
    f = ad.compile(lambda p, x, y: whole_form(ad, p, x, y))
    return case(lambda: f.value_and_grad(p, x, y))


def c_floor() -> Case:
    numpy = peers.load("numpy")
    x, y, p = data()
    sums = numpy.empty(4)
    library = floor.build(SOURCE)
    arguments = *map(floor.at, (x, y, p, sums)), floor.count(N)

    def call() -> Any:
        library.curve(*arguments)
        return sums[0], sums[1:]

    return case(call)


def numpy_case() -> Case:
    numpy = peers.load("numpy")
    x, y, p = data()

    def call() -> Any:
        e = numpy.exp(-p[1] * x)
        r = p[0] * e + p[2] - y
        t = r * e
        return r @ r, numpy.array([2 * t.sum(), -2 * p[0] * (t @ x), 2 * r.sum()])

    return case(call)


def torch_case(is_compiled: bool) -> Case:
    torch = peers.load("torch")
    x, y, start = map(torch.tensor, data())

    def loss(p: Any) -> Any:
        return whole_form(torch, p, x, y)

    fast = torch.compile(loss) if is_compiled else loss

    def call() -> Any:
        p = start.clone().requires_grad_()
        value = fast(p)
        return value.detach(), torch.autograd.grad(value, p)[0]

    return case(call)


def jax_case() -> Case:
    jax = peers.load("jax")
    x, y, p = map(jax.numpy.array, data())
    f = jax.jit(jax.value_and_grad(lambda p, x, y: whole_form(jax.numpy, p, x, y)))
    return case(lambda: jax.block_until_ready(f(p, x, y)))


def casadi_case() -> Case:
    casadi, numpy = peers.load("casadi"), peers.load("numpy")
    x, y, p = data()
    values, gradients = numpy.empty(N), numpy.empty((N, 3))
    calls: list[Any] = []

    def call() -> Any:
        if not calls:
            s = [casadi.SX.sym(name, n) for name, n in (("p", 3), ("x", 1), ("y", 1))]
            one = row_form(casadi, *s)
            f = casadi.Function("f", s, [one, casadi.gradient(one, s[0])])
            f = f.map("m", "serial", N, [0], [])
            buffer, run = f.buffer()
            for k, array in enumerate((p, x, y)):
                buffer.set_arg(k, memoryview(array))
            buffer.set_res(0, memoryview(values))
            buffer.set_res(1, memoryview(gradients.reshape(-1)))
            calls[:] = [run, buffer, f]
        calls[0]()
        return values.sum(), gradients.sum(0)

    return case(call)


PEERS = {
    "floor": c_floor,
    "numpy": numpy_case,
    "torch": partial(torch_case, False),
    "torch_compile": partial(torch_case, True),
    "jax": jax_case,
    "casadi": casadi_case,
}
BARS = (
    Bar("times", 0.8, "torch_compile"),
    Bar("value", 0.05, metric="first"),
    Bar("times", 3.0, "floor", reach=1.5),
)
TITLE = "a exp(-b x) + c, 1,000,000 rows, value and gradient"

ROWS = (
    TimeRow(
        "rows",
        f"{TITLE}, vmap in compile",
        "run",
        {"autodiff": ours_compiled, **PEERS},
        BARS,
        has_first=True,
    ),
    TimeRow(
        "whole",
        f"{TITLE}, whole arrays",
        "run",
        {"autodiff": ours_whole, **PEERS},
        BARS,
        has_first=True,
    ),
    *branch_and_thread_rows(TITLE, ours_rows, row_form, piecewise_form),
)
